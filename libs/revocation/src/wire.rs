//! Who revokes, how far a counter is, and the question of a proxy. Everything else on the wire is
//! `proto/maas/revocation/v1`.

use maas_events::topic::{AUTH_REVOCATIONS_SUBJECT, KEY_REVOCATIONS_SUBJECT};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A service that revokes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OwnerName {
    /// People, with their tokens, groups and teams.
    Auth,
    Keys,
}

impl OwnerName {
    pub const ALL: [Self; 2] = [Self::Auth, Self::Keys];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Keys => "keys",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|owner| owner.as_str() == text)
    }

    /// Where it answers a [`RevocationQuery`] on the bus.
    pub const fn query_subject(self) -> &'static str {
        match self {
            Self::Auth => AUTH_REVOCATIONS_SUBJECT,
            Self::Keys => KEY_REVOCATIONS_SUBJECT,
        }
    }
}

/// A point in an owner's revocations: everything counted up to it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Another one says that the owner's database was replaced, and that counters of before mean nothing.
    pub epoch: Uuid,
    pub counter: u64,
}

/// A proxy asks what was revoked. As the query of `GET /internal/v1/revocations`, or as JSON on the bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationQuery {
    pub instance: Uuid,
    /// The proxy's run, since a new run of an instance ends the one before.
    pub boot: Uuid,
    /// What the proxy follows; absent when it does not follow yet. Asking so means that it has taken over everything up
    /// to `after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Uuid>,
    pub after: u64,
    /// How long the proxy goes on with state that nobody confirms.
    pub max_unconfirmed_ms: u64,
}

impl RevocationQuery {
    pub fn applied(&self) -> Option<Mark> {
        self.epoch.map(|epoch| Mark { epoch, counter: self.after })
    }
}
