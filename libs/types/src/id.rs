//! One id type per entity: a readable prefix outside (`key_…`), a UUID inside.
//!
//! The text form is the prefix and 32 lower-case hexadecimal digits. Ids are UUIDv7, so they sort by the time of their
//! creation, and the milliseconds of an [`EventId`] are the admission time that decides partition, bucket and window.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use uuid::Uuid;

use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {entity} id: expected `{prefix}` followed by 32 hexadecimal digits")]
pub struct IdError {
    pub entity: &'static str,
    pub prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            /// A new id whose UUIDv7 carries `at`.
            pub fn new_at(at: Timestamp) -> Self {
                Self(uuid_v7_at(at))
            }

            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// The milliseconds inside the UUIDv7; the epoch for any other UUID version.
            pub fn created_at(self) -> Timestamp {
                timestamp_of(self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_suffix(text.strip_prefix($prefix))
                    .map(Self)
                    .ok_or(IdError { entity: stringify!($name), prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^", $prefix, "[0-9a-f]{32}$")))
                    .examples([concat!($prefix, "019a9c3b5f0e7c42a1d38b6f0c9e4a57")])
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    )*};
}

ids! {
    /// A person or service account.
    UserId = "usr_";
    TeamId = "team_";
    OrganisationId = "org_";
    GroupMappingId = "gmp_";
    /// A browser session, as the owner sees it in lists; not the secret of its cookie.
    SessionId = "ses_";
    /// An access token (`jti`).
    TokenId = "tok_";
    KeyId = "key_";
    SubscriptionId = "sub_";
    PlanId = "pln_";
    ModelId = "mdl_";
    UpstreamId = "ups_";
    /// One version of one model's price; versions are never edited.
    PriceId = "prc_";
    SourceId = "src_";
    /// A usage event. Minted at admission, independent of the request id, unique for ever.
    EventId = "evt_";
    /// A signed row that corrects or completes what usage events have booked.
    CorrectionId = "cor_";
    AuditId = "aud_";
    /// Identifies one HTTP request in logs and answers; never used for billing.
    RequestId = "req_";
}

/// The account that usage is booked to which no person asked for: copies of requests that go to mirrors. It is in no
/// user list and has no keys.
pub const PLATFORM_USER: UserId = UserId::from_uuid(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001));

fn parse_suffix(suffix: Option<&str>) -> Option<Uuid> {
    let digits = suffix?;
    let canonical = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    canonical.then(|| Uuid::try_parse(digits).ok()).flatten()
}

fn uuid_v7_at(at: Timestamp) -> Uuid {
    let milliseconds = at.unix_ms().max(0).unsigned_abs();
    let context = uuid::NoContext;
    let seconds = milliseconds / 1_000;
    let nanos = u32::try_from(milliseconds % 1_000 * 1_000_000).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(context, seconds, nanos))
}

/// The UUIDv7 milliseconds of `uuid`, or the epoch if it is of another version.
pub fn timestamp_of(uuid: Uuid) -> Timestamp {
    if uuid.get_version_num() != 7 {
        return Timestamp::EPOCH;
    }
    let (seconds, nanos) = uuid.get_timestamp().map_or((0, 0), |t| t.to_unix());
    let milliseconds = seconds.saturating_mul(1_000).saturating_add(u64::from(nanos) / 1_000_000);
    Timestamp::from_unix_ms(i64::try_from(milliseconds).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips() {
        let id = KeyId::new_at(Timestamp::from_unix_ms(1_700_000_000_123));
        assert_eq!(id.to_string().parse::<KeyId>(), Ok(id));
        assert_eq!(id.created_at().unix_ms(), 1_700_000_000_123);
    }

    #[test]
    fn another_entitys_id_is_refused() {
        let id = KeyId::new_at(Timestamp::from_unix_ms(1)).to_string();
        assert!(id.parse::<ModelId>().is_err());
        assert!(id.to_uppercase().parse::<KeyId>().is_err());
        assert!("key_".parse::<KeyId>().is_err());
        assert!("key_00000000-0000-0000-0000-000000000000".parse::<KeyId>().is_err());
    }
}
