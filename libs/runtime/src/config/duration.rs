//! Durations as people write them: `250ms`, `15m`, `1h30m`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A duration in settings. Units are `ms`, `s`, `m`, `h`, `d`; several may follow each other; a unit is required.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct HumanDuration(pub Duration);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a duration (examples: 250ms, 15m, 1h30m; units ms, s, m, h, d)")]
pub struct HumanDurationError;

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl HumanDuration {
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }

    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    pub const fn get(self) -> Duration {
        self.0
    }
}

impl From<HumanDuration> for Duration {
    fn from(duration: HumanDuration) -> Self {
        duration.0
    }
}

impl FromStr for HumanDuration {
    type Err = HumanDurationError;

    fn from_str(text: &str) -> Result<Self, HumanDurationError> {
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(HumanDurationError);
        }
        let mut milliseconds = 0_u64;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, tail) = rest.split_at(digits);
            let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, tail) = tail.split_at(letters);
            let number: u64 = number.parse().map_err(|_| HumanDurationError)?;
            let factor = UNITS.iter().find(|(name, _)| *name == unit).ok_or(HumanDurationError)?.1;
            let part = number.checked_mul(factor).ok_or(HumanDurationError)?;
            milliseconds = milliseconds.checked_add(part).ok_or(HumanDurationError)?;
            rest = tail;
        }
        Ok(Self::from_millis(milliseconds))
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut milliseconds = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if milliseconds == 0 {
            return f.write_str("0s");
        }
        for (unit, factor) in UNITS {
            if milliseconds >= factor {
                write!(f, "{}{unit}", milliseconds / factor)?;
                milliseconds %= factor;
            }
        }
        Ok(())
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_again() {
        for text in ["250ms", "0s", "15m", "1h30m", "2d", "1s500ms"] {
            assert_eq!(text.parse::<HumanDuration>().map(|duration| duration.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("90s".parse(), Ok(HumanDuration::from_secs(90)));
    }

    #[test]
    fn a_unit_is_required_and_known() {
        for text in ["", "15", "m", "1y", "-1s", "1.5s", "1 s", "99999999999999999999d", "9999999999999d"] {
            assert_eq!(text.parse::<HumanDuration>(), Err(HumanDurationError), "{text}");
        }
    }
}
