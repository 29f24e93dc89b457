//! Money as integer nano-units (10⁻⁹ of a currency unit); decimal strings only at the HTTP edge.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use utoipa::ToSchema;

/// An amount in nano-units. As text it is a decimal string with nine places: `"0.000200000"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Nanos(pub i64);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an amount: a decimal number with at most nine places and below 9.2 thousand million, such as \"0.15\"")]
pub struct AmountError;

const PER_UNIT: u64 = 1_000_000_000;

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:09}", magnitude / PER_UNIT, magnitude % PER_UNIT)
    }
}

impl FromStr for Nanos {
    type Err = AmountError;

    /// Exact: more than nine decimal places are refused, never rounded.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || fraction.len() > 9 || whole.len() > 10 {
            return Err(AmountError);
        }
        let whole: i64 = whole.parse().map_err(|_| AmountError)?;
        let nanos: i64 = format!("{fraction:0<9}").parse().map_err(|_| AmountError)?;
        let magnitude = whole.checked_mul(1_000_000_000).and_then(|n| n.checked_add(nanos)).ok_or(AmountError)?;
        Ok(Self(if negative { -magnitude } else { magnitude }))
    }
}

impl Serialize for Nanos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Nanos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl utoipa::PartialSchema for Nanos {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("Decimal amount with up to nine places."))
            .pattern(Some(r"^-?[0-9]{1,10}(\.[0-9]{1,9})?$"))
            .examples(["0.150000000"])
            .into()
    }
}

impl ToSchema for Nanos {}

/// An ISO 4217 code: three upper-case letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a currency: three upper-case letters such as USD")]
pub struct CurrencyError;

impl Currency {
    pub const USD: Self = Self(*b"USD");

    pub fn as_str(&self) -> &str {
        // Only ASCII letters get in, see `from_str`.
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl Default for Currency {
    fn default() -> Self {
        Self::USD
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(text: &str) -> Result<Self, CurrencyError> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| CurrencyError)?;
        if code.iter().all(u8::is_ascii_uppercase) { Ok(Self(code)) } else { Err(CurrencyError) }
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl utoipa::PartialSchema for Currency {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some("^[A-Z]{3}$"))
            .examples(["USD"])
            .into()
    }
}

impl ToSchema for Currency {}

/// An amount with its currency, as every JSON answer shows money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    pub amount: Nanos,
    pub currency: Currency,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_decimal_strings() {
        assert_eq!(Nanos(200_000).to_string(), "0.000200000");
        assert_eq!(Nanos(-1_500_000_000).to_string(), "-1.500000000");
        assert_eq!("0.0002".parse(), Ok(Nanos(200_000)));
        assert_eq!("-3".parse(), Ok(Nanos(-3_000_000_000)));
        assert_eq!(Nanos(i64::MIN).to_string(), "-9223372036.854775808");
    }

    #[test]
    fn inexact_or_foreign_amounts_are_refused() {
        for text in ["", "-", ".", "1.", ".5", "1e3", "0.0000000001", "+1", "1,5", "99999999999", "9999999999", "NaN"] {
            assert!(text.parse::<Nanos>().is_err(), "{text}");
        }
    }
}
