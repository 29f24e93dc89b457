//! The proxy's side, without I/O: what to ask an owner, what to take over, how far that is without a gap, and until when
//! what is known may be believed.
//!
//! Revocations come on two ways, as broadcasts and as answers to questions, in any order, twice or never. Both say "these
//! are all of them after one counter and up to another", so whatever does not begin at or below the counter reached here
//! leaves a gap, is not taken over, and is asked for. The counter moves only after the values were taken over.
//!
//! The driver calls [`Follower::told`] for each message and acts on the [`Reaction`], and reads [`Follower::applied`] for
//! its heartbeats and [`Follower::serves_until`] for its gate.

mod confidence;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

use maas_events::revocation::{Revocation, Revocations};
use uuid::Uuid;

pub use confidence::{Confidence, Moment, UnconfirmedRule};

use crate::wire::{Mark, OwnerName};

/// On which way something came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// A broadcast, heard now; it was read so long ago.
    Broadcast { age_ms: i64 },
    /// An answer. What was revoked before the question is in it.
    Answer { asked_at: Moment },
}

/// What the driver has to do now.
#[derive(Debug, Default, PartialEq)]
pub struct Reaction {
    /// To be taken over, all of them, and then reported by [`Follower::taken_over`].
    pub take_over: Option<TakeOver>,
    /// Ask the owner at once, not at the next turn.
    pub ask: bool,
    /// Load everything, and report it by [`Follower::loaded`].
    pub load: Option<Load>,
}

/// Revocations without a gap to what is there.
#[derive(Debug, PartialEq)]
pub struct TakeOver {
    pub changes: Vec<Revocation>,
    progress: Progress,
}

/// How far everything is taken over once the changes are, and what that confirms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Progress {
    mark: Mark,
    confirms: Option<Moment>,
}

/// All values of the owner are needed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// What is loaded **from now on** holds everything up to this.
    pub holds: Mark,
    /// What the bus has delivered long since holds everything up to this; the rest is listed by the owner.
    pub known_to_all: Mark,
    asked_at: Moment,
}

/// What one proxy knows of the revocations of one owner.
#[derive(Debug)]
pub struct Follower {
    owner: OwnerName,
    applied: Option<Mark>,
    loading: Option<Load>,
    last_broadcast: Option<Moment>,
    confidence: Confidence,
}

impl Follower {
    /// One that knows nothing yet.
    pub fn new(owner: OwnerName, rule: UnconfirmedRule) -> Self {
        Self { owner, applied: None, loading: None, last_broadcast: None, confidence: Confidence::new(rule) }
    }

    /// One that goes on from a copy on disk: it holds everything up to `mark`, and was confirmed then.
    pub fn resumed(owner: OwnerName, rule: UnconfirmedRule, mark: Mark, confirmed_at: Moment) -> Self {
        let mut follower = Self::new(owner, rule);
        follower.applied = Some(mark);
        follower.confidence.confirm(confirmed_at);
        follower
    }

    /// Everything up to here is taken over; `None`: nothing is known to be complete.
    pub fn applied(&self) -> Option<Mark> {
        self.applied
    }

    /// When it was last certain that nothing is missing.
    pub fn confirmed_at(&self) -> Option<Moment> {
        self.confidence.confirmed_at()
    }

    /// Until when requests may be served on what is known, if nothing more is heard; `None`: they may not.
    pub fn serves_until(&mut self, now: Moment) -> Option<Moment> {
        self.applied?;
        self.confidence.serves_until(now)
    }

    /// Something of the control plane has answered, this owner or another service.
    pub fn note_answer(&mut self, now: Moment) {
        self.confidence.note_answer(now);
    }

    /// Takes in a message. One of another owner changes nothing.
    pub fn told(&mut self, told: Revocations, how: Told, now: Moment) -> Reaction {
        if told.owner != self.owner.as_str() {
            return Reaction::default();
        }
        self.confidence.note_answer(now);
        if matches!(how, Told::Broadcast { .. }) {
            self.last_broadcast = Some(now);
        }
        // A replica that has never read its database names no epoch.
        let Ok(epoch) = Uuid::from_slice(&told.epoch) else { return Reaction::default() };
        match (how, told.reload) {
            (Told::Answer { asked_at }, true) => self.begin_load(&told, epoch, asked_at),
            _ => self.followed(told, epoch, how, now),
        }
    }

    /// The changes of a [`TakeOver`] are in force here.
    pub fn taken_over(&mut self, take_over: &TakeOver) {
        let Progress { mark, confirms } = take_over.progress;
        // Something else may have come between: another epoch, or a load that reached further.
        if self.applied.is_none_or(|applied| applied.epoch != mark.epoch) {
            return;
        }
        self.applied = self.applied.max_by_counter(mark);
        if let Some(confirmed_at) = confirms {
            self.confidence.confirm(confirmed_at);
        }
    }

    /// Everything was loaded. `holds`: from the owner, after it was asked for; else it is what the bus has delivered.
    pub fn loaded(&mut self, load: &Load, from_owner: bool) {
        if self.loading.as_ref() != Some(load) {
            return;
        }
        self.loading = None;
        if from_owner {
            self.applied = Some(load.holds);
            self.confidence.confirm(load.asked_at);
        } else {
            self.applied = Some(load.known_to_all);
        }
    }

    /// It could not be loaded; the next answer says again that it is needed.
    pub fn load_failed(&mut self, load: &Load) {
        if self.loading.as_ref() == Some(load) {
            self.loading = None;
        }
    }

    fn begin_load(&mut self, told: &Revocations, epoch: Uuid, asked_at: Moment) -> Reaction {
        if self.loading.is_some() {
            return Reaction::default();
        }
        let mark = |counter| Mark { epoch, counter };
        let load = Load { holds: mark(told.latest), known_to_all: mark(told.forgotten.min(told.latest)), asked_at };
        self.loading = Some(load);
        Reaction { load: Some(load), ..Reaction::default() }
    }

    fn followed(&mut self, told: Revocations, epoch: Uuid, how: Told, now: Moment) -> Reaction {
        let ask = Reaction { ask: true, ..Reaction::default() };
        let Some(applied) = self.applied.filter(|applied| applied.epoch == epoch) else {
            // An answer would have said what to do; a broadcast of another epoch may also be an old one.
            return if self.loading.is_some() { Reaction::default() } else { ask };
        };
        if told.after > applied.counter {
            return ask;
        }
        let counter = applied.counter.max(told.through);
        let is_complete = counter >= told.latest;
        let confirms = self.confirmed_by(&told, how, now).filter(|_| is_complete);
        let changes = told.changes.into_iter().filter(|change| change.counter > applied.counter).collect();
        let progress = Progress { mark: Mark { epoch, counter }, confirms };
        Reaction { take_over: Some(TakeOver { changes, progress }), ask: !is_complete, load: None }
    }

    /// Up to when nothing can have been revoked that is not in the message.
    fn confirmed_by(&self, told: &Revocations, how: Told, now: Moment) -> Option<Moment> {
        // While its database is away, this replica would not know of what another one has revoked; that one would have
        // broadcast it.
        let is_reachable = told.database_unreachable_since_ms == 0;
        if !is_reachable && !self.hears_broadcasts(now) {
            return None;
        }
        Some(match how {
            Told::Answer { asked_at } => asked_at,
            Told::Broadcast { age_ms } => now.minus_ms(age_ms.max(0)),
        })
    }

    fn hears_broadcasts(&self, now: Moment) -> bool {
        self.last_broadcast.is_some_and(|heard| now.since_ms(heard) <= confidence::ANSWERING_WITHIN_MS)
    }
}

trait MaxByCounter {
    fn max_by_counter(self, mark: Mark) -> Self;
}

impl MaxByCounter for Option<Mark> {
    fn max_by_counter(self, mark: Mark) -> Self {
        self.filter(|applied| applied.counter >= mark.counter).or(Some(mark))
    }
}
