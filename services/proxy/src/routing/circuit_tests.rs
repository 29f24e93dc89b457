#![allow(clippy::unwrap_used)]

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const TOO_MANY: Evidence = Evidence { consecutive_failures: 5, failures: 5, successes: 0 };

/// A circuit and its time.
struct World {
    circuit: Circuit,
    settings: RoutingSettings,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        Self { circuit: Circuit::new(now), settings: RoutingSettings::default(), now }
    }

    fn open() -> Self {
        let mut world = Self::new();
        world.fail(TOO_MANY);
        assert_eq!(world.circuit.phase(), Phase::Open);
        world
    }

    fn fail(&mut self, evidence: Evidence) {
        let openings = self.circuit.openings();
        self.circuit.failed(openings, false, evidence, &self.settings, self.now);
    }

    fn probe(&mut self) -> Option<ProbeTicket> {
        self.circuit.claim_probe(&self.settings, self.now)
    }

    fn fail_probe(&mut self) {
        self.probe().unwrap();
        let openings = self.circuit.openings();
        self.circuit.failed(openings, true, Evidence::default(), &self.settings, self.now);
    }

    fn check(&mut self, passed: bool) {
        match passed {
            true => self.circuit.check_passed(self.now),
            false => self.circuit.check_failed(&self.settings, self.now),
        }
    }

    /// Moves the time on to the next probe, and says how long that took.
    fn wait_for_probe(&mut self) -> Duration {
        let from = self.circuit.probe_from(&self.settings).unwrap();
        let wait = from.saturating_duration_since(self.now);
        self.now = from;
        wait
    }
}

#[test]
fn failures_in_a_row_or_a_high_share_open_it() {
    let evidence = |consecutive_failures, failures, successes| Evidence { consecutive_failures, failures, successes };
    for (what, phase) in [
        (evidence(4, 4, 0), Phase::Closed),
        (evidence(5, 5, 0), Phase::Open),
        (evidence(1, 10, 10), Phase::Open),
        (evidence(1, 9, 10), Phase::Closed),
        (evidence(1, 49, 51), Phase::Closed),
    ] {
        let mut world = World::new();
        world.fail(what);
        assert_eq!(world.circuit.phase(), phase, "{what:?}");
    }
}

#[test]
fn an_open_circuit_lets_one_probe_through_when_its_time_is_over() {
    let mut world = World::open();
    assert_eq!(world.probe(), None);
    assert_eq!(world.wait_for_probe(), 5 * SECOND);
    assert!(world.probe().is_some());
    assert_eq!(world.probe(), None);
}

#[test]
fn an_answer_closes_it() {
    let mut world = World::open();
    world.wait_for_probe();
    world.probe().unwrap();
    world.circuit.answered(world.circuit.openings(), world.now);
    assert_eq!(world.circuit.phase(), Phase::Closed);
}

#[test]
fn an_answer_to_a_request_that_had_no_other_upstream_closes_it_before_its_time() {
    let mut world = World::open();
    world.circuit.answered(world.circuit.openings(), world.now);
    assert_eq!(world.circuit.phase(), Phase::Closed);
}

#[test]
fn failed_probes_double_the_wait_up_to_the_longest() {
    let mut world = World::open();
    let mut waits = Vec::new();
    for _ in 0..8 {
        waits.push(world.wait_for_probe().as_secs());
        world.fail_probe();
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300]);
}

#[test]
fn who_fails_soon_again_waits_longer_and_who_was_well_long_enough_starts_anew() {
    for (well_for, next_wait) in [(4 * SECOND, 10 * SECOND), (5 * SECOND, 5 * SECOND)] {
        let mut world = World::open();
        world.circuit.answered(world.circuit.openings(), world.now);
        world.now += well_for;
        world.fail(TOO_MANY);
        assert_eq!(world.wait_for_probe(), next_wait, "well for {well_for:?}");
    }
}

#[test]
fn what_began_before_the_opening_says_nothing() {
    let mut world = World::new();
    let before = world.circuit.openings();
    world.fail(TOO_MANY);
    world.circuit.answered(before, world.now);
    assert_eq!(world.circuit.phase(), Phase::Open);
    world.wait_for_probe();
    world.probe().unwrap();
    world.circuit.failed(before, true, TOO_MANY, &world.settings, world.now);
    assert_eq!(world.circuit.phase(), Phase::HalfOpen);
}

#[test]
fn a_probe_that_tells_nothing_makes_room_for_the_next() {
    let mut world = World::open();
    world.wait_for_probe();
    let ticket = world.probe().unwrap();
    world.circuit.release_probe(ticket);
    let next = world.probe().unwrap();
    // A ticket that was given back once is worth nothing.
    world.circuit.release_probe(ticket);
    assert_eq!(world.probe(), None);
    world.circuit.release_probe(next);
    assert!(world.probe().is_some());
}

#[test]
fn a_probe_that_never_ends_does_not_keep_others_from_trying() {
    let mut world = World::open();
    world.wait_for_probe();
    world.probe().unwrap();
    assert_eq!(world.wait_for_probe(), world.settings.probe_timeout.get());
    assert!(world.probe().is_some());
}

#[test]
fn three_failed_checks_open_it_and_one_that_passes_closes_it() {
    let mut world = World::new();
    [false, false, true, false, false].into_iter().for_each(|passed| world.check(passed));
    assert_eq!(world.circuit.phase(), Phase::Closed);
    world.check(false);
    assert_eq!(world.circuit.phase(), Phase::Open);
    world.check(true);
    assert_eq!(world.circuit.phase(), Phase::Closed);
}

#[test]
fn checks_that_pass_all_along_do_not_vouch_for_failing_requests() {
    let mut world = World::new();
    world.check(true);
    world.fail(TOO_MANY);
    world.check(true);
    assert_eq!(world.circuit.phase(), Phase::Open);
}

#[test]
fn a_check_that_passes_again_lets_a_request_try() {
    let mut world = World::open();
    world.check(false);
    world.check(true);
    assert_eq!(world.circuit.phase(), Phase::HalfOpen);
    assert!(world.probe().is_some());
}

#[test]
fn a_check_that_still_fails_when_the_time_is_over_is_a_failed_probe() {
    let mut world = World::open();
    world.check(false);
    assert_eq!(world.wait_for_probe(), 5 * SECOND);
    world.check(false);
    assert_eq!(world.wait_for_probe(), 10 * SECOND);
}
