//! What is known of models, users and teams: the last values of their buckets, held in memory.

use std::{
    collections::HashMap,
    sync::{
        PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use maas_bus::StateChange;
use maas_events::{
    state::{ModelState, TeamMembership, TeamState, UserState, UserStatus},
    validate::required_uuid,
};
use maas_types::{ModelId, TeamId, TeamRole, UserId};
use prost::Message as _;

use crate::{domain::owner::OwnerKind, store::seen_model::HeardModel};

/// One kind of thing that a bucket describes.
pub trait Entry: Sized + Send + Sync + 'static {
    /// `None`: a tombstone, or nothing that this version understands.
    fn decode(value: &Bytes) -> Option<Self>;
}

/// The last values of a bucket. While the bus starts over, the values from before stay in use.
pub struct Directory<T> {
    held: RwLock<Held<T>>,
    caught_up: AtomicBool,
}

struct Held<T> {
    entries: HashMap<String, Versioned<T>>,
    /// Filled between `Restarted` and `CaughtUp`, then takes the place of `entries`.
    arriving: Option<HashMap<String, Versioned<T>>>,
}

struct Versioned<T> {
    version: u64,
    /// `None`: gone.
    entry: Option<T>,
}

pub type ModelDirectory = Directory<ModelEntry>;
pub type UserDirectory = Directory<UserEntry>;
pub type TeamDirectory = Directory<TeamEntry>;

#[derive(Debug, Clone)]
pub struct ModelEntry {
    pub id: ModelId,
    pub version: u64,
    pub name: String,
    pub aliases: Vec<String>,
    pub enabled: bool,
    pub restricted: bool,
}

impl ModelEntry {
    /// What of it decides on subscriptions.
    pub fn heard(&self) -> HeardModel {
        HeardModel { id: self.id, version: self.version, restricted: self.restricted }
    }
}

/// A team that there is.
#[derive(Debug, Clone, Copy)]
pub struct TeamEntry(TeamId);

#[derive(Debug, Clone)]
pub struct UserEntry {
    pub id: UserId,
    pub active: bool,
    pub kind: OwnerKind,
    /// Of the last sign-in; they give plans.
    pub groups: Box<[String]>,
    teams: Box<[(TeamId, TeamRole)]>,
}

impl UserEntry {
    /// Whether keys of this person may belong to the team.
    pub fn may_use(&self, team: TeamId) -> bool {
        self.teams.iter().any(|(member_of, role)| *member_of == team && role.may_use())
    }
}

impl<T> Default for Directory<T> {
    fn default() -> Self {
        Self { held: RwLock::new(Held { entries: HashMap::new(), arriving: None }), caught_up: AtomicBool::new(false) }
    }
}

impl<T: Entry> Directory<T> {
    /// Takes the next change of the watch.
    pub fn apply(&self, change: StateChange) {
        let mut held = self.write();
        match change {
            StateChange::Restarted => held.arriving = Some(HashMap::new()),
            StateChange::Value { key, version, value } => held.put(key, version, T::decode(&value)),
            StateChange::CaughtUp => {
                if let Some(arrived) = held.arriving.take() {
                    held.entries = arrived;
                }
                self.caught_up.store(true, Ordering::Release);
            }
        }
    }

    /// Whether everything there is has been heard at least once.
    pub fn is_caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Acquire)
    }

    /// The first answer that `look` gives for an entry.
    fn find_map<R>(&self, look: impl FnMut(&T) -> Option<R>) -> Option<R> {
        let held = self.read();
        held.entries.values().filter_map(|versioned| versioned.entry.as_ref()).find_map(look)
    }

    fn read(&self) -> RwLockReadGuard<'_, Held<T>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Held<T>> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Held<T> {
    fn put(&mut self, key: String, version: u64, entry: Option<T>) {
        let entries = self.arriving.as_mut().unwrap_or(&mut self.entries);
        if entries.get(&key).is_none_or(|held| held.version <= version) {
            entries.insert(key, Versioned { version, entry });
        }
    }
}

impl Directory<ModelEntry> {
    /// The public name of the enabled model that `text` names, by itself or by an alias. Names come before aliases.
    pub fn public_name(&self, text: &str) -> Option<String> {
        let by_name = self.find_map(|model| (model.enabled && model.name == text).then(|| model.name.clone()));
        by_name.or_else(|| {
            let has_alias = |model: &ModelEntry| model.enabled && model.aliases.iter().any(|alias| alias == text);
            self.find_map(|model| has_alias(model).then(|| model.name.clone()))
        })
    }

    /// The enabled model that `text` names by its id, its name or an alias.
    pub fn named(&self, text: &str) -> Option<ModelEntry> {
        if let Ok(id) = text.parse() {
            return self.by_id(id).filter(|model| model.enabled);
        }
        let name = self.public_name(text)?;
        self.find_map(|model| (model.name == name).then(|| model.clone()))
    }

    pub fn by_id(&self, id: ModelId) -> Option<ModelEntry> {
        let held = self.read();
        let entry = held.entries.get(&id.uuid().simple().to_string());
        entry.and_then(|versioned| versioned.entry.as_ref()).filter(|entry| entry.id == id).cloned()
    }
}

impl Directory<TeamEntry> {
    pub fn has(&self, team: TeamId) -> bool {
        let held = self.read();
        let entry = held.entries.get(&team.uuid().simple().to_string());
        entry.and_then(|versioned| versioned.entry).is_some_and(|entry| entry.0 == team)
    }
}

impl Directory<UserEntry> {
    /// What is known of a person or service account; `None` also for one that was deleted.
    pub fn user(&self, user: UserId) -> Option<UserEntry> {
        let held = self.read();
        let entry = held.entries.get(&user.uuid().simple().to_string());
        entry.and_then(|versioned| versioned.entry.as_ref()).filter(|entry| entry.id == user).cloned()
    }

    /// The service accounts that belong to one of these teams. Looks at everybody.
    pub fn service_accounts_of(&self, teams: &[TeamId]) -> Vec<UserId> {
        let belongs = |entry: &&UserEntry| {
            entry.kind == OwnerKind::ServiceAccount && entry.teams.iter().any(|(team, _)| teams.contains(team))
        };
        let held = self.read();
        let known = held.entries.values().filter_map(|versioned| versioned.entry.as_ref());
        known.filter(belongs).map(|entry| entry.id).collect()
    }
}

impl Entry for ModelEntry {
    fn decode(value: &Bytes) -> Option<Self> {
        let state = ModelState::decode(value.clone()).ok().filter(|state| !state.deleted)?;
        Some(Self {
            id: ModelId::from_uuid(required_uuid("id", &state.id).ok()?),
            version: state.version,
            name: state.name,
            aliases: state.aliases,
            enabled: state.enabled,
            restricted: state.restricted,
        })
    }
}

impl Entry for TeamEntry {
    fn decode(value: &Bytes) -> Option<Self> {
        let state = TeamState::decode(value.clone()).ok().filter(|state| !state.deleted)?;
        Some(Self(TeamId::from_uuid(required_uuid("id", &state.id).ok()?)))
    }
}

impl Entry for UserEntry {
    fn decode(value: &Bytes) -> Option<Self> {
        let state = UserState::decode(value.clone()).ok()?;
        let active = state.status() == UserStatus::Active;
        let id = required_uuid("id", &state.id).ok()?;
        // A value of before there were kinds has none.
        let kind = OwnerKind::parse(&state.kind).unwrap_or(OwnerKind::User);
        let teams = state.teams.iter().filter_map(membership).collect();
        let groups = state.groups.into_boxed_slice();
        (!state.deleted).then_some(Self { id: UserId::from_uuid(id), active, kind, groups, teams })
    }
}

/// `None` for a role that this version does not know: nothing follows from it.
fn membership(membership: &TeamMembership) -> Option<(TeamId, TeamRole)> {
    let team = required_uuid("teams.team_id", &membership.team_id).ok()?;
    Some((TeamId::from_uuid(team), TeamRole::parse(&membership.role)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(key: &str, version: u64, name: &str, alias: &str) -> StateChange {
        let aliases = vec![alias.to_owned()];
        let id = Bytes::from_static(&[7; 16]);
        let state = ModelState { id, name: name.to_owned(), aliases, enabled: true, version, ..ModelState::default() };
        StateChange::Value { key: key.to_owned(), version, value: state.encode_to_vec().into() }
    }

    #[test]
    fn an_alias_stands_for_the_public_name() {
        let directory = ModelDirectory::default();
        directory.apply(model("a", 1, "one", "first"));
        directory.apply(model("b", 1, "two", "one"));
        assert_eq!(directory.public_name("first").as_deref(), Some("one"));
        assert_eq!(directory.public_name("one").as_deref(), Some("one"), "a name comes before an alias");
        assert_eq!(directory.public_name("three"), None);
    }

    #[test]
    fn an_older_version_never_overwrites_a_newer_one() {
        let directory = ModelDirectory::default();
        directory.apply(model("a", 2, "new", "x"));
        directory.apply(model("a", 1, "old", "x"));
        assert_eq!(directory.public_name("x").as_deref(), Some("new"));
    }

    #[test]
    fn what_was_known_stays_in_use_until_a_restart_has_caught_up() {
        let directory = ModelDirectory::default();
        directory.apply(StateChange::Restarted);
        directory.apply(model("a", 1, "one", "x"));
        assert!(!directory.is_caught_up());
        directory.apply(StateChange::CaughtUp);
        assert!(directory.is_caught_up());

        directory.apply(StateChange::Restarted);
        assert!(directory.public_name("one").is_some());
        directory.apply(model("b", 1, "two", "y"));
        directory.apply(StateChange::CaughtUp);
        assert_eq!(directory.public_name("one"), None, "it was not repeated, so it is gone");
        assert!(directory.public_name("two").is_some());
    }
}
