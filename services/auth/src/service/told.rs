//! What this service tells through state buckets: people and teams, a page at a time, for the comparison with a bucket
//! and for the export.

use maas_events::Bucket;
use maas_store::{Database, StoreError};
use maas_types::{TeamId, UserId};
use prost::Message as _;
use uuid::Uuid;

use crate::{
    domain::{team::Team, user::User},
    events::{self, state_of, state_of_team},
    store,
};

const PAGE: u64 = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Users,
    Teams,
}

/// One value as the bucket holds it.
pub struct ToldValue {
    pub id: Uuid,
    pub key: String,
    pub version: u64,
    /// The encoded message.
    pub value: Vec<u8>,
}

impl Told {
    pub const fn bucket(self) -> Bucket {
        match self {
            Self::Users => Bucket::Users,
            Self::Teams => Bucket::Teams,
        }
    }

    /// The values after this id, in the order of ids, deleted ones too; none at the end.
    pub async fn page(self, database: &Database, after: Option<Uuid>) -> Result<Vec<ToldValue>, StoreError> {
        let db = database.reader();
        match self {
            Self::Users => {
                let users = store::user::batch_after(db, after.map(UserId::from_uuid), PAGE).await?;
                let facts = store::user_facts::load(db, users).await?;
                Ok(facts.iter().map(|facts| user_value(&facts.user, state_of(facts).encode_to_vec())).collect())
            }
            Self::Teams => {
                let teams = store::team::batch_after(db, after.map(TeamId::from_uuid), PAGE).await?;
                Ok(teams.iter().map(team_value).collect())
            }
        }
    }
}

fn user_value(user: &User, value: Vec<u8>) -> ToldValue {
    ToldValue { id: user.id.uuid(), key: events::user_key(user), version: user.version, value }
}

fn team_value(team: &Team) -> ToldValue {
    let value = state_of_team(team).encode_to_vec();
    ToldValue { id: team.id.uuid(), key: events::team_key(team), version: team.version, value }
}
