#![allow(clippy::unwrap_used)]

use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::routing::{Failure, FailureClass, HealthTable, RoutingSettings};

const SECOND: Duration = Duration::from_secs(1);

/// One upstream of a table, and the time.
struct World {
    table: HealthTable,
    health: Arc<UpstreamHealth>,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let table = HealthTable::new(RoutingSettings::default(), now);
        let health = table.upstream(UpstreamId::from_uuid(Uuid::from_u128(1)));
        Self { table, health, now }
    }

    fn open() -> Self {
        let world = Self::new();
        (0..5).for_each(|_| world.fail(FailureClass::Connect));
        assert_eq!(world.health.phase(), Phase::Open);
        world
    }

    fn fail(&self, failure: impl Into<Failure>) {
        self.health.begin(self.now).failed(failure, self.now);
    }

    fn succeed(&self) {
        self.health.begin(self.now).succeeded(self.now);
    }

    fn standing(&self) -> Standing {
        self.health.standing(0, self.now)
    }

    fn told_of_change(&self) -> bool {
        use futures_util::FutureExt as _;
        self.table.common.circuit_changed.notified().now_or_never().is_some()
    }
}

#[test]
fn five_failures_in_a_row_open_the_circuit_and_a_success_between_them_does_not() {
    let world = World::new();
    (0..4).for_each(|_| world.fail(FailureClass::Cut));
    world.succeed();
    (0..4).for_each(|_| world.fail(FailureClass::Failed));
    assert_eq!(world.standing(), Standing::Ready);
    world.fail(FailureClass::Auth);
    assert_eq!(world.standing(), Standing::Open);
}

#[test]
fn half_of_many_calls_failing_opens_it() {
    let world = World::new();
    for _ in 0..10 {
        assert_eq!(world.standing(), Standing::Ready);
        world.succeed();
        world.fail(FailureClass::Overloaded);
    }
    assert_eq!(world.standing(), Standing::Open);
}

#[test]
fn what_is_not_the_upstreams_fault_does_not_count() {
    let world = World::new();
    for class in [FailureClass::Client, FailureClass::Refused, FailureClass::ContextLength, FailureClass::RequestBody] {
        (0..30).for_each(|_| world.fail(class));
        assert_eq!(world.standing(), Standing::Ready, "{class:?}");
    }
    (0..30).for_each(|_| drop(world.health.begin(world.now)));
    assert_eq!(world.standing(), Standing::Ready);
    assert_eq!(world.health.snapshot(world.now).unwrap().last_failure, None);
}

#[test]
fn a_rate_limit_cools_down_for_as_long_as_it_asks_but_not_for_ever() {
    for (asked, pause) in [(None, 1), (Some(7), 7), (Some(7_200), 60)] {
        let mut world = World::new();
        let retry_after = asked.map(Duration::from_secs);
        (0..30).for_each(|_| world.fail(Failure { class: FailureClass::RateLimited, retry_after }));
        world.now += pause * SECOND - Duration::from_millis(1);
        assert_eq!(world.standing(), Standing::CoolingDown, "{asked:?}");
        world.now += Duration::from_millis(1);
        assert_eq!(world.standing(), Standing::Ready, "{asked:?}");
    }
}

#[test]
fn a_call_is_in_flight_until_it_is_dropped() {
    let world = World::new();
    let mut attempt = world.health.begin(world.now);
    attempt.succeeded(world.now);
    assert_eq!(world.health.in_flight(), 1);
    drop(attempt);
    assert_eq!(world.health.in_flight(), 0);
}

#[test]
fn a_full_upstream_takes_no_more() {
    let world = World::new();
    let attempts = [1, 2].map(|_| world.health.try_begin(2, world.now).unwrap());
    assert_eq!(world.health.standing(2, world.now), Standing::Full);
    assert!(world.health.try_begin(2, world.now).is_none());
    assert_eq!(world.health.in_flight(), 2);
    drop(attempts);
    assert_eq!(world.health.standing(2, world.now), Standing::Ready);
}

#[test]
fn of_many_threads_one_gets_the_probe() {
    let mut world = World::open();
    world.now += 5 * SECOND;
    let barrier = std::sync::Barrier::new(8);
    let probes: Vec<Option<Attempt>> = std::thread::scope(|scope| {
        let race = || {
            barrier.wait();
            world.health.try_begin(0, world.now)
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(race)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(probes.iter().flatten().count(), 1);
    assert_eq!(world.standing(), Standing::Probing);
}

#[test]
fn a_good_head_from_a_probe_brings_the_upstream_back_while_its_stream_goes_on() {
    let mut world = World::open();
    world.now += 5 * SECOND;
    let mut probe = world.health.try_begin(0, world.now).unwrap();
    assert!(probe.is_probe());
    probe.answered(world.now);
    assert_eq!(world.standing(), Standing::Ready);
    // What opened the circuit is forgotten: one failure does not open it again.
    probe.failed(FailureClass::Cut, world.now);
    assert_eq!(world.standing(), Standing::Ready);
}

#[test]
fn a_client_that_leaves_a_probe_makes_room_for_the_next() {
    let mut world = World::open();
    world.now += 5 * SECOND;
    drop(world.health.try_begin(0, world.now).unwrap());
    assert_eq!(world.standing(), Standing::Ready);
    assert!(world.health.try_begin(0, world.now).unwrap().is_probe());
}

#[test]
fn each_change_of_the_circuit_is_told() {
    let mut world = World::open();
    assert!(world.told_of_change() && !world.told_of_change());
    world.now += 5 * SECOND;
    world.succeed();
    assert!(world.told_of_change());
    world.succeed();
    assert!(!world.told_of_change());
}

#[test]
fn nothing_is_told_of_an_upstream_that_nobody_called() {
    let world = World::new();
    assert_eq!(world.health.snapshot(world.now), None);
    world.health.note_check(true, world.now);
    assert_eq!(world.health.snapshot(world.now).unwrap().check_passed, Some(true));
    world.health.forget_checks();
    assert_eq!(world.health.snapshot(world.now), None);
}

#[test]
fn the_snapshot_tells_what_happened() {
    let mut world = World::open();
    let snapshot = world.health.snapshot(world.now).unwrap();
    assert_eq!((snapshot.phase, snapshot.consecutive_failures), (Phase::Open, 5));
    assert_eq!(snapshot.last_failure.unwrap().1, FailureClass::Connect);
    let left = snapshot.open_until.unwrap().saturating_duration_since(world.now);
    assert!((4_990..=5_000).contains(&left.as_millis()), "{left:?}");
    world.now += 5 * SECOND;
    let waiting = world.health.snapshot(world.now).unwrap();
    assert_eq!((waiting.phase, waiting.open_until), (Phase::HalfOpen, None));
}
