//! How long an access token shall live, in the forms that clients send: a Go duration or seconds.

use std::time::Duration;

use serde_json::Value;

/// No token lives shorter.
pub const SHORTEST: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExpirationFault {
    #[error("not a duration: write \"4h\", \"2h30m\" or a number of seconds")]
    Malformed,
    #[error("must be at least 10 minutes")]
    TooShort,
    #[error("must be at most {} seconds", .0.as_secs())]
    TooLong(Duration),
}

/// The lifetimes that are allowed, and the one that is meant when nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLifetimes {
    pub default: Duration,
    pub longest: Duration,
}

impl TokenLifetimes {
    /// `requested` is a JSON number of seconds or a text; null means the default.
    pub fn choose(&self, requested: &Value) -> Result<Duration, ExpirationFault> {
        let chosen = match requested {
            Value::Null => self.default,
            Value::Number(number) => seconds(number.as_f64().ok_or(ExpirationFault::Malformed)?)?,
            Value::String(text) => parse(text)?,
            _ => return Err(ExpirationFault::Malformed),
        };
        // Tokens carry whole seconds.
        let chosen = Duration::from_secs(chosen.as_secs());
        if chosen < SHORTEST {
            return Err(ExpirationFault::TooShort);
        }
        if chosen > self.longest {
            return Err(ExpirationFault::TooLong(self.longest));
        }
        Ok(chosen)
    }
}

/// Seconds as a number or its text, or a Go duration.
fn parse(text: &str) -> Result<Duration, ExpirationFault> {
    let text = text.trim();
    if text.is_empty() || text.len() > 64 {
        return Err(ExpirationFault::Malformed);
    }
    let is_plain_number = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    if is_plain_number {
        return seconds(text.parse().map_err(|_| ExpirationFault::Malformed)?);
    }
    go_duration(text)
}

fn seconds(number: f64) -> Result<Duration, ExpirationFault> {
    if number.is_nan() {
        return Err(ExpirationFault::Malformed);
    }
    if number < 0.0 {
        return Err(ExpirationFault::TooShort);
    }
    // What does not fit a duration is too long for any setting.
    Ok(Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX))
}

/// Go's `time.ParseDuration`: an optional sign and numbers with units, each with an optional fraction.
fn go_duration(text: &str) -> Result<Duration, ExpirationFault> {
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return Err(ExpirationFault::Malformed);
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(ExpirationFault::Malformed)?;
        let (number, tail) = rest.split_at(end);
        let number: f64 = number.parse().map_err(|_| ExpirationFault::Malformed)?;
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        total += number * unit_seconds(unit).ok_or(ExpirationFault::Malformed)?;
        rest = tail;
    }
    seconds(if is_negative { -total } else { total })
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return None,
    })
}

/// As Go prints a duration of whole seconds: `1h0m0s`, `10m0s`, `45s`.
pub fn to_go_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LIFETIMES: TokenLifetimes =
        TokenLifetimes { default: Duration::from_secs(14_400), longest: Duration::from_secs(86_400) };

    #[test]
    fn every_documented_form_is_understood() {
        for (requested, expected) in [
            (json!(null), 14_400),
            (json!("1h"), 3_600),
            (json!("2h30m"), 9_000),
            (json!("1.5h"), 5_400),
            (json!("600s"), 600),
            (json!("10m"), 600),
            (json!(3600), 3_600),
            (json!(600.9), 600),
            (json!("3600"), 3_600),
            (json!("24h"), 86_400),
            (json!("86400000ms"), 86_400),
        ] {
            assert_eq!(LIFETIMES.choose(&requested), Ok(Duration::from_secs(expected)), "{requested}");
        }
    }

    #[test]
    fn nonsense_short_and_long_ones_are_refused() {
        for requested in [
            json!(""),
            json!("h"),
            json!("1"),
            json!("1d"),
            json!("1h garbage"),
            json!("NaN"),
            json!("inf"),
            json!("1e30"),
            json!("1e999"),
            json!(1e30),
            json!(-3600),
            json!("-1h"),
            json!("-3600"),
            json!(599),
            json!("9m59s"),
            json!("24h0m1s"),
            json!(86_401),
            json!(0),
            json!(true),
            json!([]),
            json!({}),
            json!("1h1"),
            json!("1..5h"),
            json!("--1h"),
            json!("."),
            json!("9".repeat(60)),
            json!("1h".repeat(100)),
        ] {
            assert!(LIFETIMES.choose(&requested).is_err(), "{requested}");
        }
    }

    #[test]
    fn durations_are_printed_as_go_does() {
        for (seconds, text) in
            [(3_600, "1h0m0s"), (9_000, "2h30m0s"), (600, "10m0s"), (59, "59s"), (86_399, "23h59m59s")]
        {
            assert_eq!(to_go_text(Duration::from_secs(seconds)), text);
        }
    }
}
