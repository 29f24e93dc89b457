#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

struct World {
    settings: RoutingSettings,
    budget: RetryBudget,
    now: Instant,
    random: fastrand::Rng,
}

impl World {
    fn new() -> Self {
        Self::with(RoutingSettings::default())
    }

    fn with(settings: RoutingSettings) -> Self {
        let now = Instant::now();
        let budget = RetryBudget::new(Arc::new(settings.clone()), now);
        Self { settings, budget, now, random: fastrand::Rng::with_seed(7) }
    }

    fn after(&mut self, retries: &mut Retries, failure: impl Into<Failure>, has_another: bool) -> RetryDecision {
        retries.after(failure.into(), has_another, &self.budget, &self.settings, self.now, &mut self.random)
    }

    fn first(&mut self, failure: impl Into<Failure>, has_another: bool) -> RetryDecision {
        self.after(&mut Retries::default(), failure, has_another)
    }
}

#[test]
fn each_class_is_tried_on_another_upstream_or_not() {
    for class in FailureClass::ALL {
        let is_final =
            [FailureClass::Timeout, FailureClass::ContextLength, FailureClass::Client, FailureClass::RequestBody];
        let wanted = if is_final.contains(&class) { RetryDecision::GiveUp } else { RetryDecision::Another };
        assert_eq!(World::new().first(class, true), wanted, "{class:?}");
    }
}

#[test]
fn time_outs_are_tried_again_where_that_is_wanted() {
    let mut world = World::with(RoutingSettings { retry_timeouts: true, ..RoutingSettings::default() });
    assert_eq!(world.first(FailureClass::Timeout, true), RetryDecision::Another);
}

#[test]
fn a_request_is_sent_three_times_at_most() {
    let mut world = World::new();
    let mut retries = Retries::default();
    assert_eq!(world.after(&mut retries, FailureClass::Connect, true), RetryDecision::Another);
    assert_eq!(world.after(&mut retries, FailureClass::Connect, true), RetryDecision::Another);
    assert_eq!(world.after(&mut retries, FailureClass::Connect, true), RetryDecision::GiveUp);
}

#[test]
fn the_same_upstream_is_tried_after_a_random_wait_that_grows() {
    let mut world = World::with(RoutingSettings { attempts: 10, retries_per_second: 100, ..Default::default() });
    let mut longest = [Duration::ZERO; 6];
    for _ in 0..100 {
        let mut retries = Retries::default();
        for most in &mut longest {
            let decision = world.after(&mut retries, FailureClass::Failed, false);
            let RetryDecision::SameAfter(wait) = decision else { panic!("{decision:?}") };
            *most = wait.max(*most);
        }
    }
    for (most, bound) in longest.iter().zip([25, 50, 100, 200, 250, 250]) {
        let bound = Duration::from_millis(bound);
        assert!(*most <= bound && *most > bound / 2, "{most:?} of {bound:?}");
    }
}

#[test]
fn what_the_upstream_asks_for_is_waited_for_up_to_two_seconds() {
    let limited =
        |seconds| Failure { class: FailureClass::RateLimited, retry_after: Some(Duration::from_secs(seconds)) };
    let mut world = World::new();
    assert_eq!(world.first(limited(2), false), RetryDecision::SameAfter(Duration::from_secs(2)));
    assert_eq!(world.first(limited(3), false), RetryDecision::GiveUp);
    assert_eq!(world.first(limited(3), true), RetryDecision::Another);
}

#[test]
fn an_upstream_that_refuses_us_is_not_asked_twice() {
    assert_eq!(World::new().first(FailureClass::Auth, false), RetryDecision::GiveUp);
    assert_eq!(World::new().first(FailureClass::Refused, false), RetryDecision::GiveUp);
}

#[test]
fn without_traffic_thirty_retries_are_left_for_ten_seconds() {
    let mut world = World::new();
    let granted = (0..100).filter(|_| world.first(FailureClass::Connect, true) == RetryDecision::Another).count();
    assert_eq!(granted, 30);
    world.now += Duration::from_secs(10);
    assert_eq!(world.first(FailureClass::Connect, true), RetryDecision::Another);
}

#[test]
fn giving_up_costs_no_budget() {
    let mut world = World::with(RoutingSettings { retries_per_second: 0, ..Default::default() });
    (0..5).for_each(|_| world.budget.note_request(world.now));
    assert_eq!(world.first(FailureClass::Auth, false), RetryDecision::GiveUp);
    assert_eq!(world.first(FailureClass::Connect, true), RetryDecision::Another);
    assert_eq!(world.first(FailureClass::Connect, true), RetryDecision::GiveUp);
}

proptest! {
    #[test]
    fn the_budget_is_never_exceeded(steps in proptest::collection::vec((0_u64..1_500, 0_u32..40, 0_u32..20), 1..60)) {
        let mut world = World::new();
        let started = world.now;
        let mut requests: Vec<u64> = Vec::new();
        let mut retries: Vec<u64> = Vec::new();
        for (wait, new_requests, failures) in steps {
            world.now += Duration::from_millis(wait);
            let second = (world.now - started).as_secs();
            for _ in 0..new_requests {
                world.budget.note_request(world.now);
                requests.push(second);
            }
            for _ in 0..failures {
                let in_window = |of: &&u64| second - **of < 10;
                let recent = requests.iter().filter(in_window).count();
                let spent = retries.iter().filter(in_window).count();
                let granted = world.first(FailureClass::Connect, true) == RetryDecision::Another;
                prop_assert_eq!(granted, spent < recent / 5 + 30);
                retries.extend(granted.then_some(second));
            }
        }
    }
}

#[test]
fn workers_together_stay_within_the_budget() {
    let world = World::new();
    (0..1_000).for_each(|_| world.budget.note_request(world.now));
    let granted: usize = std::thread::scope(|scope| {
        let spend = || (0..200).filter(|_| world.budget.spend(world.now)).count();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(spend)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(granted, 1_000 / 5 + 30);
}
