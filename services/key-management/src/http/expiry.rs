//! How requests say when a key ends.

use maas_runtime::config::HumanDuration;
use maas_types::{Timestamp, input::InputFault};

use crate::domain::expiry::ExpiryRequest;

/// `None` when neither field was sent.
pub fn expiry_from_api(
    expires_in: Option<&str>,
    expires_at: Option<Timestamp>,
) -> Result<Option<ExpiryRequest>, InputFault> {
    match (expires_in, expires_at) {
        (None, None) => Ok(None),
        (None, Some(time)) => Ok(Some(ExpiryRequest::At(time))),
        (Some("never"), None) => Ok(Some(ExpiryRequest::Never)),
        (Some(text), None) => match text.parse::<HumanDuration>() {
            Ok(duration) => Ok(Some(ExpiryRequest::In(duration.get()))),
            Err(error) => Err(InputFault::new("/expires_in", "invalid_value", error.to_string())),
        },
        (Some(_), Some(_)) => {
            Err(InputFault::new("/expires_at", "not_together", "send expires_in or expires_at, not both"))
        }
    }
}
