#![allow(clippy::unwrap_used)]

use std::time::Duration;

use maas_types::UpstreamId;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::routing::{Failure, FailureClass, HealthTable, RoutingSettings};

struct Upstream {
    health: Arc<UpstreamHealth>,
    weight: u32,
    priority: u32,
    capacity: u32,
    mirror: bool,
}

impl Routed for Upstream {
    fn target(&self) -> Target<'_> {
        let Self { health, weight, priority, capacity, mirror } = self;
        Target { health, weight: *weight, priority: *priority, capacity: *capacity, mirror: *mirror }
    }
}

struct World {
    upstreams: Vec<Upstream>,
    now: Instant,
    random: fastrand::Rng,
}

impl World {
    /// With a weight and a priority for each upstream.
    fn new(upstreams: &[(u32, u32)]) -> Self {
        let now = Instant::now();
        let table = HealthTable::new(RoutingSettings::default(), now);
        let upstream = |(number, (weight, priority)): (usize, &(u32, u32))| Upstream {
            health: table.upstream(UpstreamId::from_uuid(Uuid::from_u128(number as u128 * 7_919 + 1))),
            weight: *weight,
            priority: *priority,
            capacity: 0,
            mirror: false,
        };
        Self {
            upstreams: upstreams.iter().enumerate().map(upstream).collect(),
            now,
            random: fastrand::Rng::with_seed(1),
        }
    }

    fn next(&mut self, plan: &mut Plan) -> Option<(usize, Attempt)> {
        plan.next(&self.upstreams, self.now, &mut self.random)
    }

    fn first(&mut self, policy: Policy, affinity: Option<AffinityKey>) -> usize {
        self.next(&mut Plan::new(policy, affinity)).unwrap().0
    }

    /// All upstreams in the order in which one request tries them.
    fn order(&mut self, policy: Policy) -> Vec<usize> {
        let mut plan = Plan::new(policy, None);
        std::iter::from_fn(|| self.next(&mut plan)).map(|(index, _)| index).collect()
    }

    /// How often each is chosen first.
    fn shares(&mut self, requests: usize, policy: Policy, key: impl Fn(usize) -> Option<AffinityKey>) -> Vec<usize> {
        let mut shares = vec![0; self.upstreams.len()];
        (0..requests).for_each(|number| shares[self.first(policy, key(number))] += 1);
        shares
    }

    fn open(&self, index: usize) {
        self.fail(index, 5, FailureClass::Connect.into());
    }

    fn cool_down(&self, index: usize) {
        let retry_after = Some(Duration::from_secs(30));
        self.fail(index, 1, Failure { class: FailureClass::RateLimited, retry_after });
    }

    fn fail(&self, index: usize, times: u32, failure: Failure) {
        let health = &self.upstreams[index].health;
        (0..times).for_each(|_| health.begin(self.now).failed(failure, self.now));
    }
}

fn key(number: usize) -> AffinityKey {
    AffinityKey::from_cache_key(Uuid::from_u128(9), &number.to_string())
}

#[test]
fn requests_are_shared_out_by_weight() {
    let mut world = World::new(&[(90, 0), (10, 0), (0, 0)]);
    let shares = world.shares(10_000, Policy::Weighted, |_| None);
    assert!((8_850..9_150).contains(&shares[0]) && shares[2] == 0, "{shares:?}");
}

#[test]
fn the_share_of_an_upstream_that_is_down_goes_to_the_others_by_their_weights() {
    let mut world = World::new(&[(50, 0), (30, 0), (20, 0)]);
    world.open(0);
    let shares = world.shares(10_000, Policy::Weighted, |_| None);
    assert!((5_800..6_200).contains(&shares[1]) && shares[0] == 0, "{shares:?}");
}

#[test]
fn priorities_go_first() {
    let mut world = World::new(&[(1, 2), (1, 0), (1, 1)]);
    assert_eq!(world.order(Policy::Weighted), [1, 2, 0]);
    assert_eq!(world.order(Policy::LeastLoaded), [1, 2, 0]);
}

#[test]
fn upstreams_that_should_not_be_called_come_last_of_all_priorities_and_do_come() {
    let mut world = World::new(&[(1, 0), (1, 0), (1, 0), (0, 0), (1, 9)]);
    world.open(0);
    world.cool_down(1);
    world.upstreams[2].capacity = 1;
    let _busy = world.upstreams[2].health.begin(world.now);
    assert_eq!(world.order(Policy::Weighted), [4, 3, 2, 1, 0]);
}

#[test]
fn the_last_upstream_is_never_ejected() {
    let mut world = World::new(&[(1, 0)]);
    world.open(0);
    assert_eq!(world.order(Policy::Weighted), [0]);
}

#[test]
fn mirrors_are_never_chosen() {
    let mut world = World::new(&[(1, 0), (1, 0)]);
    world.upstreams[0].mirror = true;
    assert_eq!(world.order(Policy::Weighted), [1]);
    world.upstreams[1].mirror = true;
    assert!(world.order(Policy::Weighted).is_empty());
}

#[test]
fn without_any_weight_all_get_the_same() {
    let mut world = World::new(&[(0, 0), (0, 0)]);
    let shares = world.shares(2_000, Policy::Weighted, |_| None);
    assert!((900..1_100).contains(&shares[0]), "{shares:?}");
}

#[test]
fn a_half_open_upstream_gets_one_request_and_the_others_go_on() {
    let mut world = World::new(&[(1, 0), (1, 1)]);
    world.open(0);
    world.now += Duration::from_secs(5);
    let (first, probe) = world.next(&mut Plan::default()).unwrap();
    assert!(first == 0 && probe.is_probe());
    assert_eq!(world.shares(10, Policy::Weighted, |_| None), [0, 10]);
    drop(probe);
    assert_eq!(world.first(Policy::Weighted, None), 0);
}

/// An upstream with one place, which another worker takes at the moment of the choice: after it was ranked.
struct RacedFor<'a> {
    upstream: &'a Upstream,
    ranked: std::cell::Cell<bool>,
    taken: std::cell::RefCell<Option<Attempt>>,
}

impl Routed for RacedFor<'_> {
    fn target(&self) -> Target<'_> {
        let target = Target { capacity: 1, ..self.upstream.target() };
        if self.ranked.replace(true) && target.priority == 0 {
            self.taken.borrow_mut().get_or_insert_with(|| target.health.begin(Instant::now()));
        }
        target
    }
}

#[test]
fn the_last_place_is_given_once_while_another_upstream_is_free() {
    let mut world = World::new(&[(1, 0), (1, 1)]);
    let raced_for = |upstream| RacedFor { upstream, ranked: Default::default(), taken: Default::default() };
    let upstreams: Vec<_> = world.upstreams.iter().map(raced_for).collect();
    let (index, _attempt) = Plan::default().next(&upstreams, world.now, &mut world.random).unwrap();
    assert_eq!(index, 1);
    assert_eq!(world.upstreams[0].health.in_flight(), 1);
}

#[test]
fn the_less_loaded_of_two_is_chosen() {
    let mut world = World::new(&[(1, 0), (1, 0)]);
    let _busy = world.upstreams[0].health.begin(world.now);
    assert_eq!(world.shares(10, Policy::LeastLoaded, |_| None), [0, 10]);
}

#[test]
fn load_is_measured_by_weight_or_by_capacity() {
    let mut world = World::new(&[(3, 0), (1, 0)]);
    let busy: Vec<_> = (0..2).map(|_| world.upstreams[0].health.begin(world.now)).collect();
    let also_busy = world.upstreams[1].health.begin(world.now);
    // (2 + 1) / 3 against (1 + 1) / 1.
    assert_eq!(world.shares(10, Policy::LeastLoaded, |_| None), [10, 0]);
    (world.upstreams[0].capacity, world.upstreams[1].capacity) = (4, 8);
    // (2 + 1) / 4 against (1 + 1) / 8.
    assert_eq!(world.shares(10, Policy::LeastLoaded, |_| None), [0, 10]);
    drop((busy, also_busy));
}

#[test]
fn least_loaded_keeps_the_loads_even() {
    let mut world = World::new(&[(1, 0); 4]);
    let _attempts: Vec<_> = (0..400).map(|_| world.next(&mut Plan::new(Policy::LeastLoaded, None)).unwrap()).collect();
    let loads: Vec<u32> = world.upstreams.iter().map(|upstream| upstream.health.in_flight()).collect();
    assert!(loads.iter().all(|load| (90..=110).contains(load)), "{loads:?}");
}

#[test]
fn a_key_keeps_its_upstream_while_that_is_well_and_not_full() {
    let mut world = World::new(&[(1, 0); 3]);
    world.upstreams.iter_mut().for_each(|upstream| upstream.capacity = 1);
    let (home, busy) = world.next(&mut Plan::new(Policy::Weighted, Some(key(1)))).unwrap();
    let next = world.first(Policy::Weighted, Some(key(1)));
    assert_ne!(next, home);
    // Always the same one in its place.
    assert_eq!(world.first(Policy::LeastLoaded, Some(key(1))), next);
    drop(busy);
    assert_eq!(world.first(Policy::Weighted, Some(key(1))), home);
    world.open(home);
    assert_eq!(world.first(Policy::Weighted, Some(key(1))), next);
}

#[test]
fn keys_are_shared_out_by_weight() {
    let mut world = World::new(&[(3, 0), (1, 0)]);
    let shares = world.shares(10_000, Policy::Weighted, |number| Some(key(number)));
    assert!((7_350..7_650).contains(&shares[0]), "{shares:?}");
}

#[test]
fn only_the_keys_of_a_removed_upstream_move() {
    let mut world = World::new(&[(1, 0), (2, 0), (3, 0), (4, 0)]);
    let homes: Vec<usize> = (0..2_000).map(|number| world.first(Policy::Weighted, Some(key(number)))).collect();
    world.upstreams.remove(1);
    for (number, home) in homes.iter().enumerate().filter(|(_, home)| **home != 1) {
        let now_at = world.first(Policy::Weighted, Some(key(number)));
        assert_eq!(now_at + usize::from(now_at >= 1), *home, "key {number}");
    }
}

#[test]
fn a_pool_of_more_than_sixty_four_is_tried_to_the_end() {
    let mut world = World::new(&[(1, 0); 150]);
    let mut order = world.order(Policy::Weighted);
    order.sort_unstable();
    assert_eq!(order, (0..150).collect::<Vec<_>>());
}

#[derive(Debug, Clone, Copy)]
struct Case {
    weight: u32,
    priority: u32,
    is_open: bool,
    is_cooling: bool,
    is_full: bool,
}

fn cases() -> impl Strategy<Value = Vec<Case>> {
    let case = (0_u32..3, 0_u32..3, any::<bool>(), any::<bool>(), any::<bool>());
    let case = case.prop_map(|(weight, priority, is_open, is_cooling, is_full)| Case {
        weight,
        priority,
        is_open,
        is_cooling,
        is_full,
    });
    proptest::collection::vec(case, 1..8)
}

proptest! {
    #[test]
    fn every_upstream_comes_once_and_the_best_first(cases in cases(), seed: u64, keyed: bool, least_loaded: bool) {
        let mut world = World::new(&cases.iter().map(|case| (case.weight, case.priority)).collect::<Vec<_>>());
        world.random = fastrand::Rng::with_seed(seed);
        let mut busy = Vec::new();
        for (index, case) in cases.iter().enumerate() {
            case.is_cooling.then(|| world.cool_down(index));
            case.is_open.then(|| world.open(index));
            if case.is_full {
                world.upstreams[index].capacity = 1;
                busy.push(world.upstreams[index].health.begin(world.now));
            }
        }
        let policy = if least_loaded { Policy::LeastLoaded } else { Policy::Weighted };
        let mut plan = Plan::new(policy, keyed.then(|| key(seed as usize)));
        let order: Vec<usize> = std::iter::from_fn(|| world.next(&mut plan)).map(|(index, _)| index).collect();

        let mut once = order.clone();
        once.sort_unstable();
        prop_assert_eq!(once, (0..cases.len()).collect::<Vec<_>>());
        prop_assert!(!plan.has_untried(&world.upstreams));
        let rank = |index: &usize| {
            let case = cases[*index];
            let badness = match (case.is_open, case.is_cooling, case.is_full) {
                (true, ..) => 3,
                (_, true, _) => 2,
                (.., true) => 1,
                _ => 0,
            };
            (badness, case.weight == 0, case.priority)
        };
        prop_assert!(order.is_sorted_by_key(rank), "{:?}", order);
    }
}
