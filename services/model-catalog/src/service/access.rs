//! What the caller may call, as key-management and auth tell of plans, subscriptions and groups: for what is shown to
//! people. The proxies decide by themselves.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use maas_events::{
    Bucket,
    plans::{PlanEntry, PlanTable},
    state::{PlanState, SubscriptionState, SubscriptionStatus, UserState},
    validate::{optional_uuid, required_uuid},
};
use maas_types::{ModelId, TeamId, Timestamp};
use maas_web::Caller;
use prost::Message as _;
use uuid::Uuid;

/// The buckets that access follows from.
pub const BUCKETS: [Bucket; 3] = [Bucket::Plans, Bucket::Subscriptions, Bucket::Users];

/// Not everything has been heard yet.
#[derive(Debug, thiserror::Error)]
#[error("plans, subscriptions and groups are not known yet")]
pub struct AccessUnknown;

/// The last values of [`BUCKETS`]. Values leave only by newer ones, also while the bus starts over.
#[derive(Default)]
pub struct AccessDirectory {
    held: RwLock<Held>,
    complete: [AtomicBool; BUCKETS.len()],
}

#[derive(Default)]
struct Held {
    plans: PlanTable,
    /// By user or team.
    subscriptions: HashMap<Uuid, HashMap<ModelId, HeldSubscription>>,
    /// With the version that told of them.
    groups: HashMap<Uuid, (u64, Box<[String]>)>,
}

#[derive(Debug, Clone, Copy)]
struct HeldSubscription {
    version: u64,
    status: SubscriptionStatus,
    expires_at: Option<Timestamp>,
}

/// What one caller may call, as of one moment.
#[derive(Debug, Default)]
pub struct CallerAccess {
    /// `None`: all models.
    opened: Option<HashSet<String>>,
    own: HashMap<ModelId, HeldSubscription>,
    /// Of the teams whose keys the caller may have.
    teams: Vec<(TeamId, HashMap<ModelId, HeldSubscription>)>,
}

impl AccessDirectory {
    /// Everything of the bucket was heard.
    pub fn note_complete(&self, bucket: Bucket) {
        let place = BUCKETS.iter().position(|known| *known == bucket);
        if let Some(complete) = place.and_then(|place| self.complete.get(place)) {
            complete.store(true, Ordering::Release);
        }
    }

    /// Takes over a value. One that cannot be understood is left out: nothing follows from it.
    pub fn apply(&self, bucket: Bucket, value: &Bytes) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let understood = match bucket {
            Bucket::Plans => held.apply_plan(value),
            Bucket::Subscriptions => held.apply_subscription(value),
            Bucket::Users => held.apply_user(value),
            Bucket::Keys | Bucket::Models | Bucket::Teams => Some(()),
        };
        if understood.is_none() {
            tracing::warn!(bucket = bucket.as_str(), "a state value is left out");
        }
    }

    pub fn of(&self, caller: &Caller) -> Result<CallerAccess, AccessUnknown> {
        if !self.complete.iter().all(|complete| complete.load(Ordering::Acquire)) {
            return Err(AccessUnknown);
        }
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let user = caller.user_id.uuid();
        let groups = held.groups.get(&user).map(|(_, groups)| &**groups).unwrap_or_default();
        let subscriptions = |subscriber: Uuid| held.subscriptions.get(&subscriber).cloned().unwrap_or_default();
        let usable = caller.teams.iter().filter(|membership| membership.role.may_use());
        Ok(CallerAccess {
            opened: held.plans.models_of(groups).map(HashSet::from_iter),
            own: subscriptions(user),
            teams: usable.map(|team| (team.team_id, subscriptions(team.team_id.uuid()))).collect(),
        })
    }
}

impl CallerAccess {
    /// Whether the caller's plan opens the model: else it does not exist for them.
    pub fn opens(&self, name: &str) -> bool {
        self.opened.as_ref().is_none_or(|opened| opened.contains(name))
    }

    /// The names that the plan opens; `None`: all.
    pub fn opened(&self) -> Option<Vec<String>> {
        self.opened.as_ref().map(|opened| opened.iter().cloned().collect())
    }

    /// What the caller's own subscription has come to.
    pub fn own_status(&self, model: ModelId, now: Timestamp) -> Option<SubscriptionStatus> {
        self.own.get(&model).map(|subscription| subscription.status_at(now))
    }

    /// The teams whose keys may call the model by the team's subscription.
    pub fn subscribed_teams(&self, model: ModelId, now: Timestamp) -> Vec<TeamId> {
        let is_active = |held: &HeldSubscription| held.status_at(now) == SubscriptionStatus::Active;
        let teams = self.teams.iter().filter(|(_, subscriptions)| subscriptions.get(&model).is_some_and(is_active));
        teams.map(|(team, _)| *team).collect()
    }
}

impl HeldSubscription {
    /// Nobody has to tell that its time is over.
    fn status_at(&self, now: Timestamp) -> SubscriptionStatus {
        let has_ended = self.expires_at.is_some_and(|end| end <= now);
        let is_overdue = has_ended && self.status == SubscriptionStatus::Active;
        if is_overdue { SubscriptionStatus::Expired } else { self.status }
    }
}

impl Held {
    fn apply_plan(&mut self, value: &Bytes) -> Option<()> {
        let state = PlanState::decode(value.clone()).ok()?;
        self.plans = self.plans.with([PlanEntry::from_state(state).ok()?]);
        Some(())
    }

    fn apply_subscription(&mut self, value: &Bytes) -> Option<()> {
        let state = SubscriptionState::decode(value.clone()).ok()?;
        let user = optional_uuid("user_id", &state.user_id).ok()?;
        let subscriber = user.or_else(|| required_uuid("team_id", &state.team_id).ok())?;
        let model = ModelId::from_uuid(required_uuid("model_id", &state.model_id).ok()?);
        let news = HeldSubscription {
            version: state.version,
            status: state.status(),
            expires_at: (state.expires_at_ms != 0).then(|| Timestamp::from_unix_ms(state.expires_at_ms)),
        };
        let held = self.subscriptions.entry(subscriber).or_default().entry(model).or_insert(news);
        if held.version < news.version {
            *held = news;
        }
        Some(())
    }

    fn apply_user(&mut self, value: &Bytes) -> Option<()> {
        let state = UserState::decode(value.clone()).ok()?;
        let id = required_uuid("id", &state.id).ok()?;
        let news = (state.version, state.groups.into_boxed_slice());
        let held = self.groups.entry(id).or_insert_with(|| news.clone());
        if held.0 < news.0 {
            *held = news;
        }
        Some(())
    }
}
