//! How an encoded value stands to what is in force, without understanding all of it.

use bytes::Bytes;
use maas_events::{Bucket, state::SubscriptionState};
use maas_keys::PublicId;
use maas_types::{ModelId, TeamId, UserId};
use prost::Message;
use uuid::Uuid;

use super::{State, SubscriptionEntry};

/// What every state value begins with (`proto/maas/state/v1`).
#[derive(Clone, PartialEq, Message)]
struct Head {
    #[prost(bytes = "bytes", tag = "1")]
    id: Bytes,
    #[prost(uint64, tag = "2")]
    version: u64,
}

/// The same of a key, with what it is held under.
#[derive(Clone, PartialEq, Message)]
struct KeyHead {
    #[prost(uint64, tag = "2")]
    version: u64,
    #[prost(string, tag = "4")]
    public_id: String,
}

/// The version of a value, and the one that is held of the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    pub of_value: u64,
    pub held: Option<u64>,
}

impl Versions {
    pub fn is_news(self) -> bool {
        self.held.is_none_or(|held| held < self.of_value)
    }

    /// A newer one has taken its place.
    pub fn is_outdated(self) -> bool {
        self.held.is_some_and(|held| held > self.of_value)
    }
}

impl State {
    /// `None`: the value is not understood.
    pub fn versions(&self, bucket: Bucket, value: &Bytes) -> Option<Versions> {
        match bucket {
            Bucket::Keys => {
                let head = KeyHead::decode(value.clone()).ok()?;
                let public_id: PublicId = head.public_id.parse().ok()?;
                Some(Versions { of_value: head.version, held: self.keys.version_of(&public_id) })
            }
            Bucket::Subscriptions => {
                let state = SubscriptionState::decode(value.clone()).ok()?;
                let of_value = state.version;
                let key = SubscriptionEntry::from_state(state).ok()?.key;
                Some(Versions { of_value, held: self.subscriptions.version_of(&key) })
            }
            Bucket::Users => self.by_id(value, |id| self.users.version_of(&UserId::from_uuid(id))),
            Bucket::Teams => self.by_id(value, |id| self.teams.version_of(&TeamId::from_uuid(id))),
            Bucket::Models => self.by_id(value, |id| self.models().version_of(ModelId::from_uuid(id))),
            Bucket::Plans => self.by_id(value, |id| self.plans().version_of(id)),
        }
    }

    fn by_id(&self, value: &Bytes, held: impl FnOnce(Uuid) -> Option<u64>) -> Option<Versions> {
        let head = Head::decode(value.clone()).ok()?;
        Some(Versions { of_value: head.version, held: held(Uuid::from_slice(&head.id).ok()?) })
    }
}
