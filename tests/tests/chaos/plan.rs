//! What is going to happen, from the seed alone.

use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;
use maas_tests::{End, Fault, Link, Way};

/// A process that can be hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    FirstProxy,
    SecondProxy,
    FirstIngest,
    SecondIngest,
    Nats,
    Postgres,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// kill -9.
    Kill(Victim),
    /// Stopped and continued: its sockets stay open and nobody answers.
    Freeze(Victim),
    /// Told to end, and started again.
    Restart(Victim),
    Disturb(Link, Fault, Way),
    /// The machine of an ingest is gone in the middle of a transaction: it is dead, and nobody tells its servers.
    Vanish(Victim),
    /// The store of NATS is copied, work goes on, and the copy is put back: what was confirmed since is gone, and its
    /// sequence numbers are used again. With the ingests frozen in between, nobody has booked it either.
    RollBackNats {
        while_ingest_is_frozen: bool,
    },
    /// The disk of the second proxy's journal has only so much left.
    FillDisk {
        free_bytes: u64,
    },
    /// Every message of the usage stream once more under new ids, so many times.
    RepeatStream {
        times: u32,
    },
    /// The durable consumer is deleted: it is made again from the start of the stream.
    ForgetConsumer,
    /// A clock jumps by so much, and back again at the end.
    SkewClock {
        of: Victim,
        ahead_ms: i64,
    },
}

/// Blows that last at the same time.
#[derive(Debug, Clone)]
pub struct Round {
    pub blows: Vec<Blow>,
    pub lasts: Duration,
    /// Without a blow, afterwards.
    pub rest: Duration,
}

const PROCESSES: [Victim; 6] = [
    Victim::FirstProxy,
    Victim::SecondProxy,
    Victim::FirstIngest,
    Victim::SecondIngest,
    Victim::Nats,
    Victim::Postgres,
];
const SHORTEST_BLOW_MS: u64 = 300;
/// The proxies come back to the restarted server and ship, so that there is something to lose.
const SHORTEST_ROLLBACK_MS: u64 = 1_500;
const LONGEST_BLOW_MS: u64 = 2_500;
/// Some blows outlast the patience of whoever is hit: pings, redelivery, what a client waits for.
const LONG_BLOW_PERCENT: u32 = 6;
const LONG_BLOW_MS: Range<u64> = 12_000..36_000;
const COMPANY_PERCENT: u32 = 40;
/// Within what a proxy may be off, then more than an admission may be ahead, then into other hours and days.
const SKEWS_MS: [Range<i64>; 3] = [1_000..30_000, 60_000..1_200_000, 3_600_000..MOST_SKEW_MS];
/// Half a day.
pub const MOST_SKEW_MS: i64 = 12 * 3_600_000;

/// Rounds without end. A deck of all blows is dealt and shuffled again when it is empty, so that a history of some thirty
/// rounds has seen each of them.
pub struct Plan {
    rng: Rng,
    deck: Vec<Blow>,
}

impl Plan {
    pub fn of(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed), deck: Vec::new() }
    }

    fn deal(&mut self) -> Blow {
        if self.deck.is_empty() {
            self.deck = deck(&mut self.rng);
            self.rng.shuffle(&mut self.deck);
        }
        self.deck.pop().expect("a fresh deck")
    }

    fn lasts_ms(&mut self, main: Blow) -> u64 {
        let range = match main {
            _ if self.rng.u32(..100) < LONG_BLOW_PERCENT => LONG_BLOW_MS,
            Blow::RollBackNats { .. } => SHORTEST_ROLLBACK_MS..LONGEST_BLOW_MS,
            _ => SHORTEST_BLOW_MS..LONGEST_BLOW_MS,
        };
        self.rng.u64(range)
    }

    /// A second blow at the same time: something small that leaves the first one possible.
    fn company(&mut self, main: Blow) -> Option<Blow> {
        if self.rng.u32(..100) >= COMPANY_PERCENT {
            return None;
        }
        let victim = PROCESSES[self.rng.usize(..4)];
        let company = match self.rng.u8(..5) {
            0..2 => disturbance(&mut self.rng),
            2..4 => Blow::Kill(victim),
            _ => skew(&mut self.rng, victim),
        };
        (!hits_the_same(main, company)).then_some(company)
    }
}

impl Iterator for Plan {
    type Item = Round;

    fn next(&mut self) -> Option<Round> {
        let main = self.deal();
        let blows = [main].into_iter().chain(self.company(main)).collect();
        let lasts = Duration::from_millis(self.lasts_ms(main));
        let rest = Duration::from_millis(self.rng.u64(200..1_000));
        Some(Round { blows, lasts, rest })
    }
}

fn deck(rng: &mut Rng) -> Vec<Blow> {
    let mut deck: Vec<Blow> =
        PROCESSES.into_iter().flat_map(|victim| [Blow::Kill(victim), Blow::Restart(victim)]).collect();
    deck.extend(PROCESSES.map(Blow::Freeze));
    deck.extend((0..7).map(|_| disturbance(rng)));
    deck.extend([true, false].map(|while_ingest_is_frozen| Blow::RollBackNats { while_ingest_is_frozen }));
    deck.extend([0, 32 * 1024 * 1024].map(|free_bytes| Blow::FillDisk { free_bytes }));
    deck.extend([Victim::FirstIngest, Victim::SecondIngest].map(Blow::Vanish));
    deck.extend([Blow::RepeatStream { times: 3 }, Blow::ForgetConsumer]);
    deck.extend(PROCESSES[..4].iter().map(|victim| skew(rng, *victim)));
    deck
}

/// Ahead or behind.
fn skew(rng: &mut Rng, of: Victim) -> Blow {
    let sizes = SKEWS_MS[rng.usize(..SKEWS_MS.len())].clone();
    let size_ms = rng.i64(sizes);
    Blow::SkewClock { of, ahead_ms: if rng.bool() { size_ms } else { -size_ms } }
}

fn disturbance(rng: &mut Rng) -> Blow {
    let link = Link::ALL[rng.usize(..Link::ALL.len())];
    let way = [Way::Both, Way::ToServer, Way::ToClient][rng.usize(..3)];
    let fault = match rng.u8(..6) {
        0 => Fault::Delay(Duration::from_millis(rng.u64(20..300))),
        1 => Fault::Slow { bytes_per_second: rng.u32(2_000..50_000) },
        2 => Fault::BlackHole,
        3 => Fault::Cut,
        4 => Fault::HalfOpen(End::Client),
        _ => Fault::HalfOpen(End::Server),
    };
    Blow::Disturb(link, fault, way)
}

/// Whether the two would get into each other's way.
fn hits_the_same(main: Blow, company: Blow) -> bool {
    let ingests = [Victim::FirstIngest, Victim::SecondIngest];
    match (main, company) {
        (Blow::Kill(a) | Blow::Freeze(a) | Blow::Restart(a) | Blow::Vanish(a), Blow::Kill(b)) => a == b,
        // Its own disturbances would be healed with the other one, or the other with them.
        (Blow::Vanish(_), Blow::Disturb(..)) => true,
        (Blow::RollBackNats { .. }, Blow::Kill(victim)) => ingests.contains(&victim),
        (Blow::SkewClock { of: a, .. }, Blow::SkewClock { of: b, .. }) => a == b,
        (Blow::Disturb(a, ..), Blow::Disturb(b, ..)) => a == b,
        _ => false,
    }
}

#[test]
fn a_seed_always_gives_the_same_plan() {
    let plan = |seed| format!("{:?}", Plan::of(seed).take(60).collect::<Vec<_>>());
    assert_eq!(plan(7), plan(7));
    assert_ne!(plan(7), plan(8));
}

#[test]
fn every_blow_is_dealt_before_one_comes_again() {
    let mut rng = Rng::with_seed(1);
    let cards = deck(&mut rng).len();
    let dealt: Vec<Blow> = Plan::of(3).take(cards).map(|round| round.blows[0]).collect();
    for victim in PROCESSES {
        assert_eq!(dealt.iter().filter(|blow| **blow == Blow::Kill(victim)).count(), 1, "{victim:?}");
    }
    assert!(dealt.contains(&Blow::RollBackNats { while_ingest_is_frozen: true }));
    assert_eq!(dealt.iter().filter(|blow| matches!(blow, Blow::SkewClock { .. })).count(), 4);
}
