//! When a new key expires.

use maas_types::input::InputFault;
use std::time::Duration;

use maas_types::Timestamp;

/// What the operator allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiryPolicy {
    pub default: Duration,
    pub maximum: Duration,
    pub allow_never: bool,
}

/// What the creator of a key asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryRequest {
    Default,
    In(Duration),
    At(Timestamp),
    Never,
}

impl ExpiryPolicy {
    /// The instant of expiry, `None` for never.
    pub fn resolve(&self, request: ExpiryRequest, now: Timestamp) -> Result<Option<Timestamp>, InputFault> {
        let (pointer, expires_at) = match request {
            ExpiryRequest::Default => return Ok(Some(now.plus(self.default))),
            ExpiryRequest::Never if self.allow_never => return Ok(None),
            ExpiryRequest::Never => {
                let detail = "keys that never expire are not allowed here";
                return Err(InputFault::new("/expires_in", "never_not_allowed", detail));
            }
            ExpiryRequest::In(duration) => ("/expires_in", now.plus(duration)),
            ExpiryRequest::At(time) => ("/expires_at", time),
        };
        if expires_at <= now {
            return Err(InputFault::new(pointer, "in_the_past", "must lie in the future"));
        }
        if expires_at > now.plus(self.maximum) {
            let days = self.maximum.as_secs() / 86_400;
            let detail = format!("at most {days} days ({} hours) from now", self.maximum.as_secs() / 3_600);
            return Err(InputFault::new(pointer, "too_late", detail));
        }
        Ok(Some(expires_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const NOW: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

    fn policy() -> ExpiryPolicy {
        ExpiryPolicy { default: DAY * 90, maximum: DAY * 365, allow_never: false }
    }

    fn refusal(request: ExpiryRequest) -> Option<&'static str> {
        policy().resolve(request, NOW).err().map(|fault| fault.code)
    }

    #[test]
    fn a_silent_creator_gets_the_default() {
        assert_eq!(policy().resolve(ExpiryRequest::Default, NOW), Ok(Some(NOW.plus(DAY * 90))));
    }

    #[test]
    fn the_maximum_is_inside_and_the_present_outside() {
        assert_eq!(refusal(ExpiryRequest::In(DAY * 365)), None);
        assert_eq!(refusal(ExpiryRequest::In(DAY * 366)), Some("too_late"));
        assert_eq!(refusal(ExpiryRequest::In(Duration::ZERO)), Some("in_the_past"));
        assert_eq!(refusal(ExpiryRequest::At(NOW)), Some("in_the_past"));
    }

    #[test]
    fn never_needs_the_operator_s_consent() {
        assert_eq!(refusal(ExpiryRequest::Never), Some("never_not_allowed"));
        let generous = ExpiryPolicy { allow_never: true, ..policy() };
        assert_eq!(generous.resolve(ExpiryRequest::Never, NOW), Ok(None));
    }
}
