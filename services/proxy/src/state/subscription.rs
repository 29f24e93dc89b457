//! Who has access to which restricted model.

use maas_events::{
    state::{SubscriptionState, SubscriptionStatus},
    validate::{InvalidEvent, optional_uuid, required_uuid},
};
use maas_types::{ModelId, Timestamp};
use uuid::Uuid;

use super::sharded::Versioned;

/// A user's or a team's id, and the model. There is one subscription for each pair.
pub type SubscriptionKey = (Uuid, ModelId);

#[derive(Debug)]
pub struct SubscriptionEntry {
    pub key: SubscriptionKey,
    /// `None`: nothing that this version understands, which opens nothing.
    status: Option<SubscriptionStatus>,
    expires_at: Option<Timestamp>,
    version: u64,
}

impl SubscriptionEntry {
    pub fn from_state(state: SubscriptionState) -> Result<Self, InvalidEvent> {
        let user = optional_uuid("user_id", &state.user_id)?;
        let subscriber = match user {
            Some(user) => user,
            None => required_uuid("team_id", &state.team_id)?,
        };
        let model = ModelId::from_uuid(required_uuid("model_id", &state.model_id)?);
        Ok(Self {
            key: (subscriber, model),
            status: SubscriptionStatus::try_from(state.status).ok().filter(|_| !state.deleted),
            expires_at: (state.expires_at_ms != 0).then(|| Timestamp::from_unix_ms(state.expires_at_ms)),
            version: state.version,
        })
    }

    pub fn is_active(&self, now: Timestamp) -> bool {
        self.status_at(now) == Some(SubscriptionStatus::Active)
    }

    /// Nobody has to tell that its time is over.
    pub fn status_at(&self, now: Timestamp) -> Option<SubscriptionStatus> {
        let has_ended = self.expires_at.is_some_and(|end| end <= now);
        let is_overdue = has_ended && self.status == Some(SubscriptionStatus::Active);
        if is_overdue { Some(SubscriptionStatus::Expired) } else { self.status }
    }
}

impl Versioned for SubscriptionEntry {
    fn version(&self) -> u64 {
        self.version
    }

    fn is_tombstone(&self) -> bool {
        false
    }
}
