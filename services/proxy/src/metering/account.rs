//! Whom a request is booked to, as its usage event names them.

use bytes::Bytes;
use maas_events::usage::UsageEvent;
use maas_types::PLATFORM_USER;
use uuid::Uuid;

use super::open_request::{MOST_NAME_BYTES, bounded};
use crate::state::{KeyGrant, TeamEntry, UserEntry};

/// Labels beyond this are left out, so that a record never exceeds what the journal takes.
const MOST_LABEL_BYTES: usize = 768;
/// What the encoding adds to one label.
const LABEL_FRAME_BYTES: usize = 8;

#[derive(Clone, Copy)]
pub enum Account<'a> {
    Caller {
        /// `None`: the request came with an access token.
        key: Option<&'a KeyGrant>,
        user: &'a UserEntry,
        /// The team that is booked to, if its state is known here.
        team: Option<&'a TeamEntry>,
    },
    /// Nobody has asked for it: a copy for a mirror. It stays out of the metrics of requests, which count clients'.
    Platform,
}

impl Account<'_> {
    /// Writes the account into the event.
    pub fn name_in(self, event: &mut UsageEvent) {
        match self {
            Self::Caller { key, user, team } => name_caller(event, key, user, team),
            Self::Platform => event.user_id = id_bytes(PLATFORM_USER.uuid()),
        }
    }
}

/// The key's team, else the person's default team, with what that team's own state says of organisation and cost centre;
/// the person's state says it, too, and may be older.
fn name_caller(event: &mut UsageEvent, key: Option<&KeyGrant>, user: &UserEntry, team: Option<&TeamEntry>) {
    let team_id = key.and_then(|key| key.team).or(user.default_team);
    let (organisation, cost_centre) = match team.filter(|team| Some(team.id) == team_id) {
        Some(team) => (team.organisation, &team.cost_centre),
        None => (user.organisation, &user.cost_centre),
    };
    event.key_id = key.map(|key| id_bytes(key.id.uuid())).unwrap_or_default();
    event.user_id = id_bytes(user.id.uuid());
    event.team_id = team_id.map(|team| id_bytes(team.uuid())).unwrap_or_default();
    event.organisation_id = organisation.map(|id| id_bytes(id.uuid())).unwrap_or_default();
    event.cost_centre = bounded(cost_centre, MOST_NAME_BYTES);
    event.labels = key.map(|key| bounded_labels(&key.labels)).unwrap_or_default();
}

fn id_bytes(uuid: Uuid) -> Bytes {
    Bytes::copy_from_slice(uuid.as_bytes())
}

fn bounded_labels(labels: &[(String, String)]) -> std::collections::BTreeMap<String, String> {
    let mut left = MOST_LABEL_BYTES;
    let mut bounded = std::collections::BTreeMap::new();
    for (key, value) in labels {
        let size = key.len() + value.len() + LABEL_FRAME_BYTES;
        if size <= left {
            left -= size;
            bounded.insert(key.clone(), value.clone());
        }
    }
    bounded
}
