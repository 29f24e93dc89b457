//! Points in time as integer milliseconds, and the clock that is injected wherever time is read.

use std::{
    fmt,
    str::FromStr,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Milliseconds since the Unix epoch, UTC. Outside (JSON, query strings) it is RFC 3339 with milliseconds and `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time (example: 2026-11-20T09:30:00Z)")]
pub struct TimestampError;

impl Timestamp {
    pub const EPOCH: Self = Self(0);

    pub const fn from_unix_ms(milliseconds: i64) -> Self {
        Self(milliseconds)
    }

    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Saturates at the ends of the range.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Saturates at the ends of the range.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The time since `earlier`; zero if that lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }

    /// The start of the bucket of `width` (whole milliseconds) that this time falls in, counted from the epoch.
    pub fn floor_to(self, width: Duration) -> Self {
        let width = i64::try_from(width.as_millis()).unwrap_or(i64::MAX).max(1);
        Self(self.0.div_euclid(width).saturating_mul(width))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            // Outside the years -9999..9999; nothing we store gets there.
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        // Long inputs are hostile; a sensible RFC 3339 time has at most 35 characters.
        if text.len() > 64 {
            return Err(TimestampError);
        }
        let time: jiff::Timestamp = text.parse().map_err(|_| TimestampError)?;
        Ok(Self(time.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl utoipa::PartialSchema for Timestamp {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples(["2026-11-20T09:30:00.000Z"])
            .into()
    }
}

impl utoipa::ToSchema for Timestamp {}

/// Where the current time comes from. Injected, so that tests decide what time it is.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;

    /// Milliseconds on a clock that nobody sets and that a sleeping machine does not stop; where it begins means nothing.
    /// For how long something has been so, where the time of day may be put forward or back.
    fn steady_ms(&self) -> i64 {
        self.now().unix_ms()
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the time comes from")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    fn steady_ms(&self) -> i64 {
        let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        since_boot.tv_sec.saturating_mul(1_000).saturating_add(since_boot.tv_nsec / 1_000_000)
    }
}

/// A clock that stands still until it is told to move.
#[derive(Debug, Default)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    pub fn at(time: Timestamp) -> Self {
        Self(AtomicI64::new(time.0))
    }

    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_round_trips_with_milliseconds() {
        let time = Timestamp::from_unix_ms(1_763_630_998_007);
        assert_eq!(time.to_string(), "2025-11-20T09:29:58.007Z");
        assert_eq!(time.to_string().parse(), Ok(time));
        assert_eq!("2025-11-20T10:29:58.007+01:00".parse(), Ok(time));
        assert!("yesterday".parse::<Timestamp>().is_err());
        assert!("2025-11-20".parse::<Timestamp>().is_err());
    }

    #[test]
    fn buckets_start_at_whole_widths_also_before_the_epoch() {
        let quarter = Duration::from_secs(900);
        assert_eq!(Timestamp(900_001).floor_to(quarter), Timestamp(900_000));
        assert_eq!(Timestamp(-1).floor_to(quarter), Timestamp(-900_000));
    }
}
