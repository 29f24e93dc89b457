//! The one task that feeds the followers, so that everything happens in one order: taking over, claiming, telling.

mod standing;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use maas_bus::SharedBus;
use maas_events::{Bucket, revocation::Revocations, topic::REVOCATION_SUBJECT};
use maas_revocation::{
    Mark, OwnerName,
    follower::{Follower, Load, Moment, Reaction, Told, UnconfirmedRule},
};
use maas_runtime::{process::Process, readiness::CheckHandle};
use maas_types::Clock;
use prost::Message as _;
use tokio::{
    sync::{mpsc, watch},
    time::MissedTickBehavior,
};

use super::{
    AskNow, Following, Gate, Identity, Reached,
    asking::{AskError, Asker, Asking, problem_of},
    moments::Moments,
    revoked_bucket,
};
use crate::state::{load::Loader, watch::Applier};

const BEAT: Duration = Duration::from_secs(1);
/// How soon the end of the last request is noticed once no new one is let in.
const LOOK_FOR_END: Duration = Duration::from_millis(50);
const LISTEN_AGAIN: Duration = Duration::from_millis(500);
const WAITING_EVENTS: usize = 256;
/// How long the bus may take to deliver everything there is, where the owner cannot be loaded from.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(10);

/// What the driver hears.
pub enum Event {
    Heard(Bytes),
    Answered { owner: OwnerName, answer: Result<Revocations, AskError>, asked_at: Moment },
    Loaded { owner: OwnerName, load: Load, from_owner: bool },
    LoadFailed { owner: OwnerName, load: Load },
}

/// One owner, as it is followed.
struct Followed {
    follower: Follower,
    ask_now: AskNow,
    applied: watch::Sender<Option<Mark>>,
    /// Told once per outage.
    is_silent: bool,
}

pub struct Driver {
    identity: Identity,
    max_unconfirmed: Duration,
    followed: BTreeMap<OwnerName, Followed>,
    moments: Arc<Moments>,
    applier: Arc<Applier>,
    loader: Arc<Loader>,
    gate: Arc<Gate>,
    bus: SharedBus,
    events: mpsc::Sender<Event>,
    heard: Option<mpsc::Receiver<Event>>,
    check: CheckHandle,
    was_open: Option<bool>,
}

impl Driver {
    pub fn new(
        identity: Identity,
        following: &Following<'_>,
        loader: Loader,
        gate: Arc<Gate>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let moments = Arc::new(Moments::new(clock));
        let max_unconfirmed = following.settings.max_unconfirmed.get();
        let rule = UnconfirmedRule { max_unconfirmed_ms: to_ms(max_unconfirmed) };
        let follow = |owner| {
            let reached = following.reached.iter().find(|reached| reached.owner == owner);
            let follower = follower(owner, rule, reached, &moments);
            let applied = watch::Sender::new(follower.applied());
            (owner, Followed { follower, ask_now: AskNow::default(), applied, is_silent: false })
        };
        let (events, heard) = mpsc::channel(WAITING_EVENTS);
        let mut driver = Self {
            identity,
            max_unconfirmed,
            followed: OwnerName::ALL.into_iter().map(follow).collect(),
            moments,
            applier: following.applier.clone(),
            loader: Arc::new(loader),
            gate,
            bus: following.bus.clone(),
            events,
            heard: Some(heard),
            check: following.check.clone(),
            was_open: None,
        };
        // What is known from disk may be served before anything was heard.
        driver.judge();
        driver
    }

    pub fn spawn_asking(&self, owner: OwnerName, asker: Asker, process: &Process) {
        let Some(followed) = self.followed.get(&owner) else { return };
        let asking = Asking {
            owner,
            asker,
            identity: self.identity,
            max_unconfirmed: self.max_unconfirmed,
            applied: followed.applied.subscribe(),
            now: followed.ask_now.clone(),
            moments: self.moments.clone(),
            events: self.events.clone(),
        };
        process.lifecycle.spawn(format!("proxy {} revocations asked", owner.as_str()), async move {
            asking.run().await;
            Ok(())
        });
    }

    pub fn spawn(mut self, following: Following<'_>, process: &Process) {
        let (bus, events) = (self.bus.clone(), self.events.clone());
        process.lifecycle.spawn("proxy revocations heard", async move {
            keep_listening(bus, events).await;
            Ok(())
        });
        let draining = process.lifecycle.soft_stop().clone();
        let is_idle = following.is_idle;
        process.lifecycle.spawn("proxy revocations", async move {
            // Open requests are still cut while the proxy drains.
            let ended = async {
                draining.cancelled().await;
                while !is_idle() {
                    tokio::time::sleep(LOOK_FOR_END).await;
                }
            };
            tokio::select! {
                () = self.follow() => {}
                () = ended => {}
            }
            // Closed for those who are listening: what asks and hears ends with it.
            self.beat(true).await;
            Ok(())
        });
    }

    async fn follow(&mut self) {
        let Some(mut heard) = self.heard.take() else { return };
        let mut beats = tokio::time::interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = beats.tick() => self.beat(false).await,
                event = heard.recv() => match event {
                    Some(event) => self.take_in(event).await,
                    None => return,
                },
            }
            self.judge();
        }
    }

    async fn take_in(&mut self, event: Event) {
        match event {
            Event::Heard(payload) => match Revocations::decode(payload) {
                Ok(told) => self.heard(told).await,
                Err(error) => tracing::warn!(error = %error, "a broadcast of revocations cannot be read"),
            },
            Event::Answered { owner, answer, asked_at } => self.answered(owner, answer, asked_at).await,
            Event::Loaded { owner, load, from_owner } => {
                let Some(followed) = self.followed.get_mut(&owner) else { return };
                followed.follower.loaded(&load, from_owner);
                // What the bus has delivered is confirmed by what the owner lists from there on.
                followed.ask_now.notify_one();
                self.claim(owner).await;
            }
            Event::LoadFailed { owner, load } => {
                if let Some(followed) = self.followed.get_mut(&owner) {
                    followed.follower.load_failed(&load);
                }
            }
        }
    }

    async fn heard(&mut self, told: Revocations) {
        let Some(owner) = OwnerName::parse(&told.owner) else { return };
        let age_ms = self.moments.wall().unix_ms().saturating_sub(told.read_at_ms);
        self.tell(owner, told, Told::Broadcast { age_ms }).await;
    }

    async fn answered(&mut self, owner: OwnerName, answer: Result<Revocations, AskError>, asked_at: Moment) {
        let Some(followed) = self.followed.get_mut(&owner) else { return };
        match answer {
            Ok(told) => {
                if std::mem::take(&mut followed.is_silent) {
                    tracing::info!(owner = owner.as_str(), "revocations are answered again");
                }
                self.tell(owner, told, Told::Answer { asked_at }).await;
            }
            Err(error) => {
                if !std::mem::replace(&mut followed.is_silent, true) {
                    let problem = problem_of(&error, asked_at);
                    tracing::warn!(owner = owner.as_str(), problem, "revocations cannot be asked for");
                }
                if matches!(error, AskError::Unusable(_)) {
                    self.note_answer();
                }
            }
        }
    }

    async fn tell(&mut self, owner: OwnerName, told: Revocations, how: Told) {
        self.note_answer();
        let now = self.moments.now();
        let Some(followed) = self.followed.get_mut(&owner) else { return };
        let Reaction { take_over, ask, load } = followed.follower.told(told, how, now);
        if let Some(take_over) = &take_over {
            // In force before it is claimed.
            self.applier.apply_all(take_over.changes.iter().filter_map(|change| {
                let bucket = Bucket::parse(&change.bucket)?;
                Some((bucket, change.value.clone()))
            }));
            followed.follower.taken_over(take_over);
        }
        if ask {
            followed.ask_now.notify_one();
        }
        if let Some(load) = load {
            self.spawn_load(owner, load);
        }
        self.claim(owner).await;
    }

    /// One service answers, and so something of the control plane does.
    fn note_answer(&mut self) {
        let now = self.moments.now();
        for followed in self.followed.values_mut() {
            followed.follower.note_answer(now);
        }
    }

    /// Everything of an owner, asked for from now on; from the bus where it cannot be asked.
    fn spawn_load(&self, owner: OwnerName, load: Load) {
        let (loader, applier, events) = (self.loader.clone(), self.applier.clone(), self.events.clone());
        // Untracked: it has a limit, and what it brings is wanted only while the driver runs.
        tokio::spawn(async move {
            let bucket = revoked_bucket(owner);
            let event = if loader.load(bucket).await {
                Event::Loaded { owner, load, from_owner: true }
            } else if tokio::time::timeout(CATCH_UP_WITHIN, applier.caught_up(bucket)).await.is_ok() {
                Event::Loaded { owner, load, from_owner: false }
            } else {
                Event::LoadFailed { owner, load }
            };
            let _ = events.send(event).await;
        });
    }
}

fn follower(owner: OwnerName, rule: UnconfirmedRule, reached: Option<&Reached>, moments: &Moments) -> Follower {
    let resumed = reached.and_then(|reached| Some((reached.mark, moments.of(reached.confirmed_at)?)));
    match resumed {
        Some((mark, confirmed_at)) => Follower::resumed(owner, rule, mark, confirmed_at),
        None => Follower::new(owner, rule),
    }
}

async fn keep_listening(bus: SharedBus, events: mpsc::Sender<Event>) {
    while !events.is_closed() {
        if let Ok(mut heard) = bus.listen(REVOCATION_SUBJECT).await {
            loop {
                let payload = tokio::select! {
                    payload = heard.recv() => payload,
                    () = events.closed() => return,
                };
                let Some(payload) = payload else { break };
                if events.send(Event::Heard(payload)).await.is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}

fn to_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
