//! What is kept aside, and the one decision that a person makes about it.
//!
//! Guarantee: an entry is decided once. What was replayed is never rejected and the other way round; deciding the same
//! again changes nothing.

use std::{fmt, str::FromStr};

use maas_types::{Timestamp, UserId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::received::RefusalKind;

/// The digest of what is kept, so that the same message delivered again is the same entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuarantineId(pub [u8; 32]);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a quarantine id: expected `qua_` followed by 64 hexadecimal digits")]
pub struct QuarantineIdError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuarantineState {
    /// Nobody has decided.
    Held,
    /// Booked, or found to be booked already.
    Replayed,
    /// Never to be booked. It stays as evidence.
    Rejected,
}

/// What a replay came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BookedAs {
    /// Stored and summed as the event that it is.
    Event,
    /// Its counts are better than those that were booked: the difference is booked.
    Correction,
    /// The raw events of its day are gone: booked as a signed correction of kind `backfill`.
    Backfill,
    /// It was booked before; nothing changed.
    Duplicate,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineEntry {
    pub id: QuarantineId,
    /// Empty when the message does not name a source that can be one.
    pub source: String,
    pub sequences: Option<(u64, u64)>,
    pub event_id: Option<uuid::Uuid>,
    pub kind: RefusalKind,
    /// Why it was refused.
    pub reason: String,
    /// Empty in lists.
    pub payload: Vec<u8>,
    pub received_at: Timestamp,
    /// All its sequences were committed before it came.
    pub repeated: bool,
    pub state: QuarantineState,
    pub decision: Option<Decision>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub at: Timestamp,
    /// None: the platform itself.
    pub by: Option<UserId>,
    pub by_name: String,
    /// Empty where none was asked for.
    pub reason: String,
    /// None unless it was replayed.
    pub booked_as: Option<BookedAs>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it was {} already", .0.as_str())]
pub struct DecidedOtherwise(pub QuarantineState);

impl QuarantineState {
    pub const ALL: [Self; 3] = [Self::Held, Self::Replayed, Self::Rejected];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Replayed => "replayed",
            Self::Rejected => "rejected",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether deciding so changes anything.
    pub fn decide(self, wanted: Self) -> Result<bool, DecidedOtherwise> {
        match self {
            Self::Held => Ok(true),
            decided if decided == wanted => Ok(false),
            decided => Err(DecidedOtherwise(decided)),
        }
    }
}

impl BookedAs {
    pub const ALL: [Self; 4] = [Self::Event, Self::Correction, Self::Backfill, Self::Duplicate];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Correction => "correction",
            Self::Backfill => "backfill",
            Self::Duplicate => "duplicate",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|booked| booked.as_str() == text)
    }
}

impl fmt::Display for QuarantineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("qua_")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for QuarantineId {
    type Err = QuarantineIdError;

    fn from_str(text: &str) -> Result<Self, QuarantineIdError> {
        let digits = text.strip_prefix("qua_").ok_or(QuarantineIdError)?.as_bytes();
        let digit = |byte: &u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let values: Option<Vec<u8>> = digits.iter().map(digit).collect();
        let bytes: Vec<u8> = values
            .ok_or(QuarantineIdError)?
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |high, low| high * 16 + low))
            .collect();
        if digits.len() != 64 {
            return Err(QuarantineIdError);
        }
        bytes.try_into().map(Self).map_err(|_| QuarantineIdError)
    }
}

impl Serialize for QuarantineId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for QuarantineId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl utoipa::PartialSchema for QuarantineId {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some("^qua_[0-9a-f]{64}$"))
            .examples([format!("qua_{}", "3f".repeat(32))])
            .into()
    }
}

impl utoipa::ToSchema for QuarantineId {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_exactly_one_text() {
        let id = QuarantineId(std::array::from_fn(|index| index as u8 * 7));
        assert_eq!(id.to_string().parse(), Ok(id));
        let text = id.to_string();
        for other in
            [text.to_uppercase(), text[..66].to_owned(), format!("{text}00"), text[4..].to_owned(), String::new()]
        {
            assert_eq!(other.parse::<QuarantineId>(), Err(QuarantineIdError), "{other}");
        }
    }

    #[test]
    fn a_decision_is_final() {
        use QuarantineState::{Held, Rejected, Replayed};
        assert_eq!((Held.decide(Replayed), Held.decide(Rejected)), (Ok(true), Ok(true)));
        assert_eq!((Replayed.decide(Replayed), Rejected.decide(Rejected)), (Ok(false), Ok(false)));
        assert_eq!(Replayed.decide(Rejected), Err(DecidedOtherwise(Replayed)));
        assert_eq!(Rejected.decide(Replayed), Err(DecidedOtherwise(Rejected)));
    }
}
