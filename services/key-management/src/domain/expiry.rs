//! When a key expires.

use std::time::Duration;

use maas_types::{Timestamp, input::InputFault};

/// The longest life of an ephemeral key, and what it gets when its creator does not say.
pub const MAX_EPHEMERAL: Duration = Duration::from_secs(60 * 60);

/// What the operator allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiryPolicy {
    pub default: Duration,
    pub maximum: Duration,
    pub allow_never: bool,
}

/// What the creator of a key, or who changes it, asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryRequest {
    Default,
    In(Duration),
    At(Timestamp),
    Never,
}

impl ExpiryPolicy {
    /// The instant of expiry, `None` for never. A life that is extended counts from now again.
    pub fn resolve(&self, request: ExpiryRequest, now: Timestamp) -> Result<Option<Timestamp>, InputFault> {
        let (pointer, expires_at) = match request {
            ExpiryRequest::Default => return Ok(Some(now.plus(self.default))),
            ExpiryRequest::Never if self.allow_never => return Ok(None),
            ExpiryRequest::Never => return Err(never_not_allowed("keys that never expire are not allowed here")),
            ExpiryRequest::In(duration) => ("/expires_in", now.plus(duration)),
            ExpiryRequest::At(time) => ("/expires_at", time),
        };
        let days = self.maximum.as_secs() / 86_400;
        let limit = format!("at most {days} days ({} hours) from now", self.maximum.as_secs() / 3_600);
        between(now, expires_at, now.plus(self.maximum), pointer, limit).map(Some)
    }
}

/// The same for an ephemeral key, whose hour counts from its creation and is not extended.
pub fn resolve_ephemeral(
    request: ExpiryRequest,
    created_at: Timestamp,
    now: Timestamp,
) -> Result<Timestamp, InputFault> {
    let latest = created_at.plus(MAX_EPHEMERAL);
    let (pointer, expires_at) = match request {
        ExpiryRequest::Default => return Ok(latest),
        ExpiryRequest::Never => return Err(never_not_allowed("an ephemeral key always expires")),
        ExpiryRequest::In(duration) => ("/expires_in", now.plus(duration)),
        ExpiryRequest::At(time) => ("/expires_at", time),
    };
    let limit = "an ephemeral key lives for at most 1 hour from its creation".to_owned();
    between(now, expires_at, latest, pointer, limit)
}

fn between(
    now: Timestamp,
    expires_at: Timestamp,
    latest: Timestamp,
    pointer: &str,
    limit: String,
) -> Result<Timestamp, InputFault> {
    if expires_at <= now {
        return Err(InputFault::new(pointer, "in_the_past", "must lie in the future"));
    }
    if expires_at > latest {
        return Err(InputFault::new(pointer, "too_late", limit));
    }
    Ok(expires_at)
}

fn never_not_allowed(detail: &str) -> InputFault {
    InputFault::new("/expires_in", "never_not_allowed", detail)
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
    fn an_ephemeral_key_has_an_hour_from_its_creation() {
        let later = NOW.plus(Duration::from_secs(1_800));
        let ends = |request, now| resolve_ephemeral(request, NOW, now).map_err(|fault| fault.code);
        assert_eq!(ends(ExpiryRequest::Default, NOW), Ok(NOW.plus(MAX_EPHEMERAL)));
        assert_eq!(ends(ExpiryRequest::In(MAX_EPHEMERAL), NOW), Ok(NOW.plus(MAX_EPHEMERAL)));
        assert_eq!(ends(ExpiryRequest::In(MAX_EPHEMERAL), later), Err("too_late"));
        assert_eq!(ends(ExpiryRequest::In(Duration::from_secs(60)), later), Ok(later.plus(Duration::from_secs(60))));
        assert_eq!(ends(ExpiryRequest::Never, NOW), Err("never_not_allowed"));
    }

    #[test]
    fn never_needs_the_operator_s_consent() {
        assert_eq!(refusal(ExpiryRequest::Never), Some("never_not_allowed"));
        let generous = ExpiryPolicy { allow_never: true, ..policy() };
        assert_eq!(generous.resolve(ExpiryRequest::Never, NOW), Ok(None));
    }
}
