//! Which upstream of a model a request goes to, and which one next.
//!
//! Nothing is ordered in advance: each choice looks at the health of that moment. The best candidates are those that
//! are ready, of them the ones with the least priority number, and among these the model's way of routing decides.
//! Upstreams that are full, cool down or have an open circuit come after all ready ones of every priority, but they
//! do come: a model with upstreams always has one to try.

use std::{sync::Arc, time::Instant};

use super::{
    affinity::AffinityKey,
    attempt::Attempt,
    health::{Standing, UpstreamHealth},
    index_set::IndexSet,
};

/// How often a choice is made anew when another worker was faster. Then the upstream is called all the same.
const ROUNDS: u32 = 4;

/// How one of several upstreams with the same priority is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// At random, in shares as the weights.
    #[default]
    Weighted,
    /// The less loaded of two that are drawn, measured by its capacity, or by its weight.
    LeastLoaded,
}

impl Policy {
    /// From the catalogue's text; what this version does not know is weighted.
    pub fn from_state(routing: &str) -> Self {
        if routing == "least_loaded" { Self::LeastLoaded } else { Self::Weighted }
    }
}

/// What routing has to know of an upstream.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub health: &'a Arc<UpstreamHealth>,
    /// 0: called only when no other upstream of the model is ready.
    pub weight: u32,
    /// Less is better.
    pub priority: u32,
    /// Requests at the same time; 0 = any number.
    pub capacity: u32,
    /// Gets copies only, and is never chosen here.
    pub mirror: bool,
}

/// An upstream's entry in the catalogue.
pub trait Routed {
    fn target(&self) -> Target<'_>;
}

impl<T: Routed> Routed for Arc<T> {
    fn target(&self) -> Target<'_> {
        T::target(self)
    }
}

/// The choices made for one request among the upstreams of one model. Always give it the same upstreams.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    policy: Policy,
    affinity: Option<AffinityKey>,
    tried: IndexSet,
}

impl Plan {
    /// With an `affinity` the upstream that this key belongs to is preferred to what the policy would choose.
    pub fn new(policy: Policy, affinity: Option<AffinityKey>) -> Self {
        Self { policy, affinity, tried: IndexSet::default() }
    }

    /// Chooses an upstream that was not tried yet and begins a call of it. `None` when all were tried.
    pub fn next<U: Routed>(
        &mut self,
        upstreams: &[U],
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> Option<(usize, Attempt)> {
        for round in 1..=ROUNDS {
            let best = self.best(upstreams, now);
            let index = self.choose(upstreams, &best.candidates, random)?;
            let target = upstreams.get(index)?.target();
            let attempt = match best.rank.standing {
                Standing::Ready if round < ROUNDS => target.health.try_begin(target.capacity, now),
                _ => Some(target.health.begin(now)),
            };
            if let Some(attempt) = attempt {
                self.tried.insert(index);
                return Some((index, attempt));
            }
        }
        None
    }

    /// Whether [`next`](Self::next) has one more.
    pub fn has_untried<U: Routed>(&self, upstreams: &[U]) -> bool {
        self.untried(upstreams).next().is_some()
    }

    /// Forgets what was tried, to call the same upstreams again.
    pub fn start_over(&mut self) {
        self.tried.clear();
    }

    fn untried<'a, U: Routed>(&'a self, upstreams: &'a [U]) -> impl Iterator<Item = (usize, Target<'a>)> {
        let targets = upstreams.iter().map(Routed::target).enumerate();
        targets.filter(|(index, target)| !target.mirror && !self.tried.contains(*index))
    }

    fn best<U: Routed>(&self, upstreams: &[U], now: Instant) -> Best {
        let mut best = Best { rank: Rank::WORST, candidates: IndexSet::default() };
        for (index, target) in self.untried(upstreams) {
            let rank = Rank::of(target, now);
            if rank < best.rank {
                best.candidates.clear();
                best.rank = rank;
            }
            if rank == best.rank {
                best.candidates.insert(index);
            }
        }
        best
    }

    fn choose<U: Routed>(&self, upstreams: &[U], among: &IndexSet, random: &mut fastrand::Rng) -> Option<usize> {
        let targets = || among.iter().filter_map(|index| Some((index, upstreams.get(index)?.target())));
        if among.len() <= 1 {
            return among.iter().next();
        }
        match (self.affinity, self.policy) {
            (Some(key), _) => owner(key, targets()),
            (None, Policy::Weighted) => by_weight(targets, random),
            (None, Policy::LeastLoaded) => less_loaded_of_two(targets, among.len(), random),
        }
    }
}

/// The candidates that are equally good as far as health and priority go.
struct Best {
    rank: Rank,
    candidates: IndexSet,
}

/// Less is better, the first field first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    standing: Standing,
    has_no_weight: bool,
    priority: u32,
}

impl Rank {
    const WORST: Self = Self { standing: Standing::Open, has_no_weight: true, priority: u32::MAX };

    fn of(target: Target<'_>, now: Instant) -> Self {
        Self {
            standing: target.health.standing(target.capacity, now),
            has_no_weight: target.weight == 0,
            priority: target.priority,
        }
    }
}

/// The one with the highest score of the key. Each upstream's score depends on nothing but itself, so that keys move
/// only from an upstream that is gone, or to one that is new.
fn owner<'a>(key: AffinityKey, targets: impl Iterator<Item = (usize, Target<'a>)>) -> Option<usize> {
    let scored = targets.map(|(index, target)| (index, key.score(target.health.id, target.weight.max(1))));
    scored.max_by(|one, other| one.1.total_cmp(&other.1)).map(|(index, _)| index)
}

fn by_weight<'a, I>(targets: impl Fn() -> I, random: &mut fastrand::Rng) -> Option<usize>
where
    I: Iterator<Item = (usize, Target<'a>)>,
{
    // One rank holds either weights or none; those without get equal shares.
    let weight = |target: Target<'_>| u64::from(target.weight.max(1));
    let total: u64 = targets().map(|(_, target)| weight(target)).sum();
    let mut ticket = if total == 0 { 0 } else { random.u64(0..total) };
    for (index, target) in targets() {
        match ticket.checked_sub(weight(target)) {
            Some(rest) => ticket = rest,
            None => return Some(index),
        }
    }
    None
}

fn less_loaded_of_two<'a, I>(targets: impl Fn() -> I, count: usize, random: &mut fastrand::Rng) -> Option<usize>
where
    I: Iterator<Item = (usize, Target<'a>)>,
{
    let first = random.usize(0..count);
    // Any of the others, with the same chance.
    let second = (first + random.usize(1..count)) % count;
    let (first, second) = (targets().nth(first)?, targets().nth(second)?);
    Some(if is_less_loaded(second.1, first.1) { second.0 } else { first.0 })
}

fn is_less_loaded(one: Target<'_>, other: Target<'_>) -> bool {
    let size = |target: Target<'_>| {
        let both_bounded = one.capacity > 0 && other.capacity > 0;
        u64::from(if both_bounded { target.capacity } else { target.weight.max(1) })
    };
    // With this request; cross-multiplied instead of divided.
    let load = |target: Target<'_>| u64::from(target.health.in_flight()) + 1;
    load(one).saturating_mul(size(other)) < load(other).saturating_mul(size(one))
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
