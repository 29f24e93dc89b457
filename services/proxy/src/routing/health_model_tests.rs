//! The health of an upstream beside a plain model of it, under any sequence of events.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::routing::{FailureClass, HealthTable, RoutingSettings, failure::Verdict};

#[derive(Debug, Clone)]
enum Event {
    Wait(u64),
    Begin { forced: bool },
    Succeed(usize),
    Fail(usize, FailureClass),
    Leave(usize),
    Check(bool),
}

fn event() -> impl Strategy<Value = Event> {
    let class = prop_oneof![
        4 => Just(FailureClass::Connect),
        2 => Just(FailureClass::Failed),
        1 => Just(FailureClass::RateLimited),
        1 => Just(FailureClass::Client),
    ];
    prop_oneof![
        3 => prop_oneof![0_u64..500, 1_000_u64..40_000].prop_map(Event::Wait),
        6 => any::<bool>().prop_map(|forced| Event::Begin { forced }),
        2 => any::<usize>().prop_map(Event::Succeed),
        6 => (any::<usize>(), class).prop_map(|(at, class)| Event::Fail(at, class)),
        1 => any::<usize>().prop_map(Event::Leave),
        2 => any::<bool>().prop_map(Event::Check),
    ]
}

/// What ended since the circuit closed last, written down plainly: (second, success).
#[derive(Default)]
struct Ended(Vec<(u64, bool)>);

impl Ended {
    fn should_open(&self, second: u64) -> bool {
        let in_a_row = self.0.iter().rev().take_while(|(_, success)| !success).count();
        let recent: Vec<bool> = self.0.iter().filter(|(of, _)| second - of < 10).map(|(_, success)| *success).collect();
        let failures = recent.iter().filter(|success| !**success).count();
        in_a_row >= 5 || recent.len() >= 20 && failures * 2 >= recent.len()
    }
}

/// The health under test beside the plain model.
struct Model {
    health: Arc<UpstreamHealth>,
    now: Instant,
    started: Instant,
    /// With the number of openings when it began.
    live: Vec<(Attempt, u64)>,
    ended: Ended,
    failed_checks: u32,
    openings: u64,
}

impl Model {
    fn new() -> Self {
        let now = Instant::now();
        let health = HealthTable::new(RoutingSettings::default(), now).upstream(UpstreamId::from_uuid(Uuid::nil()));
        Self { health, now, started: now, live: Vec::new(), ended: Ended::default(), failed_checks: 0, openings: 0 }
    }

    fn apply(&mut self, event: &Event) {
        let before = self.health.phase();
        let now = self.now;
        let second = (now - self.started).as_secs();
        let mut should_open = false;
        let mut succeeded = None;
        match *event {
            Event::Wait(milliseconds) => self.now += Duration::from_millis(milliseconds),
            Event::Begin { forced: true } => self.live.push((self.health.begin(now), self.openings)),
            Event::Begin { forced: false } => {
                self.live.extend(self.health.try_begin(0, now).map(|attempt| (attempt, self.openings)));
            }
            Event::Succeed(at) | Event::Fail(at, _) | Event::Leave(at) if !self.live.is_empty() => {
                let (mut attempt, openings) = self.live.swap_remove(at % self.live.len());
                let counts = openings == self.openings;
                match *event {
                    Event::Succeed(_) => {
                        attempt.succeeded(now);
                        succeeded = counts.then_some((second, true));
                    }
                    Event::Fail(_, class) => {
                        attempt.failed(class, now);
                        if counts && class.verdict() == Verdict::AtFault {
                            self.ended.0.push((second, false));
                            should_open = self.ended.should_open(second);
                        }
                    }
                    _ => {}
                }
            }
            Event::Succeed(_) | Event::Fail(..) | Event::Leave(_) => {}
            Event::Check(passed) => {
                self.health.note_check(passed, now);
                self.failed_checks = if passed { 0 } else { self.failed_checks + 1 };
                should_open = self.failed_checks >= 3;
            }
        }
        self.compare(before, should_open);
        // Last: a success that closed the circuit is the first thing known of it since.
        self.ended.0.extend(succeeded);
    }

    fn compare(&mut self, before: Phase, should_open: bool) {
        let after = self.health.phase();
        match (before, after) {
            (Phase::Closed, _) => assert_eq!(after, if should_open { Phase::Open } else { Phase::Closed }),
            (_, Phase::Closed) => {
                self.ended.0.clear();
                self.failed_checks = 0;
            }
            _ => {}
        }
        self.openings = self.health.published().0;
        assert_eq!(self.health.in_flight() as usize, self.live.len());
    }
}

proptest! {
    #[test]
    fn the_circuit_opens_exactly_when_the_plain_model_says_so(events in proptest::collection::vec(event(), 1..150)) {
        let mut model = Model::new();
        events.iter().for_each(|event| model.apply(event));
    }

    #[test]
    fn whatever_happened_a_request_gets_through_once_time_has_passed(
        events in proptest::collection::vec(event(), 1..150),
    ) {
        let mut model = Model::new();
        events.iter().for_each(|event| model.apply(event));
        // Longer than the longest ejection; calls that hang are still there, and nobody checks.
        model.now += Duration::from_secs(301);
        prop_assert_eq!(model.health.standing(0, model.now), Standing::Ready);
        let mut attempt = model.health.try_begin(0, model.now).unwrap();
        attempt.answered(model.now);
        prop_assert_eq!(model.health.phase(), Phase::Closed);
    }

    #[test]
    fn a_half_open_circuit_lets_one_request_through_at_a_time(
        events in proptest::collection::vec(event(), 1..150),
    ) {
        let mut model = Model::new();
        for event in &events {
            model.apply(event);
            let first = model.health.try_begin(0, model.now);
            let second = model.health.try_begin(0, model.now);
            let both = first.is_some() && second.is_some();
            prop_assert!(!both || model.health.phase() == Phase::Closed);
        }
    }
}
