//! The follower beside a model of its owner, with messages that are lost, doubled, late and in any order.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

/// What the owner has: each subject with the counter of its last revocation, and every revocation with its time.
#[derive(Debug, Default, Clone)]
struct Owner {
    epoch: u128,
    log: Vec<(u8, Moment)>,
    forgotten: u64,
}

impl Owner {
    fn latest(&self) -> u64 {
        self.log.len() as u64
    }

    /// The newest value of a subject is the counter of its last revocation, with its epoch.
    fn value(&self, subject: u8) -> (u128, u64) {
        let last = self.log.iter().rposition(|(revoked, _)| *revoked == subject);
        (self.epoch, last.map_or(0, |index| index as u64 + 1))
    }

    fn list(&self, after: u64, most: u64) -> Revocations {
        let through = self.latest().min(after.saturating_add(most));
        let change = |counter: u64| {
            let subject = self.log[usize::try_from(counter - 1).unwrap()].0;
            let (_, value) = self.value(subject);
            let value = Bytes::from(value.to_be_bytes().to_vec());
            Revocation { counter, subject: Bytes::from(vec![subject]), value, ..Revocation::default() }
        };
        Revocations {
            owner: "keys".to_owned(),
            epoch: Bytes::copy_from_slice(Uuid::from_u128(self.epoch).as_bytes()),
            after,
            through: through.max(after),
            latest: self.latest(),
            forgotten: self.forgotten,
            changes: (after + 1..=through).map(change).collect(),
            ..Revocations::default()
        }
    }

    fn answer(&self, applied: Option<Mark>, most: u64) -> Revocations {
        let followed = applied.filter(|mark| {
            mark.epoch.as_u128() == self.epoch && mark.counter <= self.latest() && mark.counter >= self.forgotten
        });
        match followed {
            Some(mark) => self.list(mark.counter, most),
            None => Revocations { reload: true, ..self.list(self.latest(), 0) },
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Revoke(u8),
    Forget,
    NewEpoch,
    Broadcast {
        from: u8,
        most: u8,
    },
    Ask {
        most: u8,
    },
    /// Delivers one of the messages on their way; the last one stays with `again`.
    Deliver {
        which: u8,
        again: bool,
    },
    FinishLoad,
    FailLoad,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0u8..6).prop_map(Step::Revoke),
        1 => Just(Step::Forget),
        1 => Just(Step::NewEpoch),
        4 => (any::<u8>(), 0u8..4).prop_map(|(from, most)| Step::Broadcast { from, most }),
        6 => (1u8..4).prop_map(|most| Step::Ask { most }),
        12 => (any::<u8>(), any::<bool>()).prop_map(|(which, again)| Step::Deliver { which, again }),
        4 => Just(Step::FinishLoad),
        1 => Just(Step::FailLoad),
    ];
    prop::collection::vec(step, 0..120)
}

struct World {
    owner: Owner,
    /// All owners there ever were, by epoch: counters of before still have to be true.
    epochs: BTreeMap<u128, Owner>,
    follower: Follower,
    on_the_way: Vec<(Revocations, Told)>,
    loading: Option<Load>,
    /// What is in force at the proxy, as (epoch, counter) of each subject's value.
    held: BTreeMap<u8, (u128, u64)>,
    now: Moment,
}

impl World {
    fn new() -> Self {
        let rule = UnconfirmedRule { max_unconfirmed_ms: 900_000 };
        Self {
            owner: Owner { epoch: 1, ..Owner::default() },
            epochs: BTreeMap::new(),
            follower: Follower::new(OwnerName::Keys, rule),
            on_the_way: Vec::new(),
            loading: None,
            held: BTreeMap::new(),
            now: Moment(0),
        }
    }

    fn take(&mut self, step: Step) {
        self.now = self.now.plus_ms(1);
        match step {
            Step::Revoke(subject) => self.owner.log.push((subject, self.now)),
            Step::Forget => self.owner.forgotten = self.owner.latest().saturating_sub(2),
            Step::NewEpoch => {
                let next = Owner { epoch: self.owner.epoch + 1, ..Owner::default() };
                let before = std::mem::replace(&mut self.owner, next);
                self.epochs.insert(before.epoch, before);
            }
            Step::Broadcast { from, most } => {
                let after = u64::from(from).min(self.owner.latest()).max(self.owner.forgotten);
                let told = self.owner.list(after, u64::from(most));
                // How old it is on arrival is worked out there, from when it was read.
                self.on_the_way.push((told, Told::Broadcast { age_ms: -self.now.0 }));
            }
            Step::Ask { most } => {
                let told = self.owner.answer(self.follower.applied(), u64::from(most));
                self.on_the_way.push((told, Told::Answer { asked_at: self.now }));
            }
            Step::Deliver { which, again } => self.deliver(which, again),
            Step::FinishLoad => self.finish_load(),
            Step::FailLoad => {
                if let Some(load) = self.loading.take() {
                    self.follower.load_failed(&load);
                }
            }
        }
    }

    fn deliver(&mut self, which: u8, again: bool) {
        if self.on_the_way.is_empty() {
            return;
        }
        let index = usize::from(which) % self.on_the_way.len();
        let (told, how) = if again { self.on_the_way[index].clone() } else { self.on_the_way.remove(index) };
        let how = match how {
            Told::Broadcast { age_ms } => Told::Broadcast { age_ms: self.now.0 + age_ms },
            answer @ Told::Answer { .. } => answer,
        };
        let epoch = Uuid::from_slice(&told.epoch).unwrap().as_u128();
        let reaction = self.follower.told(told, how, self.now);
        if let Some(load) = reaction.load {
            self.loading = Some(load);
        }
        if let Some(take_over) = reaction.take_over {
            for change in &take_over.changes {
                let counter = u64::from_be_bytes(change.value[..].try_into().unwrap());
                let held = self.held.entry(change.subject[0]).or_default();
                *held = (*held).max((epoch, counter));
            }
            self.follower.taken_over(&take_over);
        }
    }

    /// A load of now: everything that the owner has.
    fn finish_load(&mut self) {
        let Some(load) = self.loading.take() else { return };
        for subject in 0..6 {
            let held = self.held.entry(subject).or_default();
            *held = (*held).max(self.owner.value(subject));
        }
        self.follower.loaded(&load, true);
    }

    fn owner_of(&self, epoch: u128) -> &Owner {
        if self.owner.epoch == epoch { &self.owner } else { &self.epochs[&epoch] }
    }

    /// Whatever is claimed is in force: every revocation up to the counter, and every one before the confirmation.
    fn check(&self) {
        let Some(mark) = self.follower.applied() else { return };
        let owner = self.owner_of(mark.epoch.as_u128());
        let confirmed = self.follower.confirmed_at();
        for (index, (subject, at)) in owner.log.iter().enumerate() {
            let counter = index as u64 + 1;
            let is_claimed = counter <= mark.counter || confirmed.is_some_and(|confirmed| *at < confirmed);
            let held = self.held.get(subject).copied().unwrap_or_default();
            assert!(!is_claimed || held >= (owner.epoch, counter), "{counter} of {subject} is claimed, held: {held:?}");
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_claimed_that_was_not_taken_over(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
            world.check();
        }
    }

    #[test]
    fn asking_long_enough_reaches_the_owner(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
        world.on_the_way.clear();
        for _ in 0..=world.owner.latest() + 2 {
            world.take(Step::Ask { most: 3 });
            world.take(Step::Deliver { which: 0, again: false });
            world.take(Step::FinishLoad);
        }
        let mark = world.follower.applied().unwrap();
        prop_assert_eq!((mark.epoch.as_u128(), mark.counter), (world.owner.epoch, world.owner.latest()));
    }
}
