//! What comes to the ledger, and on which way, made from a seed.

use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use maas_events::usage::{Quality, Tokens, UsageEvent};
use maas_usage_ingest::domain::{correction::Correction, measures::Measures};
use proptest::{
    prelude::RngExt as _,
    test_runner::{RngAlgorithm, TestRng},
};
use uuid::Uuid;

use crate::{
    asking::team,
    corrections::correction,
    producer::{event, of_user, source},
    world::now,
};

/// From good to bad.
const QUALITIES: [Quality; 4] = [Quality::Exact, Quality::Partial, Quality::Estimated, Quality::None];
const SOURCES: u64 = 3;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

/// What comes to the ledger, once or more often.
#[derive(Debug, Clone)]
pub enum Piece {
    Event(Arc<str>, Box<UsageEvent>),
    Correction(Box<Correction>),
}

/// Pieces that are committed together.
#[derive(Debug, Clone)]
pub struct Batch {
    pub pieces: Vec<Piece>,
    /// None: to its end. Else it is dropped when it takes more turns than this.
    pub polls: Option<u32>,
}

#[derive(Debug)]
pub struct History {
    random: Random,
    pieces: Vec<Piece>,
    /// The content of each request that is the best.
    pub requests: Vec<UsageEvent>,
    pub corrections: Vec<Correction>,
    /// The last number of each source that has one.
    pub sources: BTreeMap<Arc<str>, u64>,
}

impl History {
    pub fn from_seed(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let random = Random(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let (requests, corrections, sources) = Default::default();
        let mut history = Self { random, pieces: Vec::new(), requests, corrections, sources };
        for _ in 0..history.random.of(1..15) {
            history.add_request();
        }
        for number in 0..history.random.of(0..6) {
            let correction = history.random.correction(number.into());
            history.pieces.push(Piece::Correction(Box::new(correction.clone())));
            history.corrections.push(correction);
        }
        history
    }

    /// All pieces once or more often, in any order and any batches.
    pub fn arrival(&mut self) -> Vec<Batch> {
        let random = &mut self.random;
        let mut order: Vec<Piece> = Vec::new();
        for piece in &self.pieces {
            (0..random.of(1..4)).for_each(|_| order.push(piece.clone()));
        }
        (1..order.len()).rev().for_each(|place| order.swap(place, random.of(0..place as u64 + 1) as usize));
        let mut batches = Vec::new();
        while !order.is_empty() {
            let pieces = order.drain(..order.len().min(random.of(1..9) as usize)).collect();
            let polls = random.one_in(6).then(|| random.of(0..60) as u32);
            batches.push(Batch { pieces, polls });
        }
        batches
    }

    /// After as many days some raw days may go.
    pub fn days(&mut self) -> Duration {
        Duration::from_millis(self.random.of(0..12 * DAY_MS))
    }

    fn add_request(&mut self) {
        let contents = self.random.contents();
        for content in &contents {
            for _ in 0..self.random.of(1..3) {
                self.carry(content);
            }
        }
        self.requests.extend(contents.into_iter().next());
    }

    /// Under the next number of some source.
    fn carry(&mut self, content: &UsageEvent) {
        let name: Arc<str> = source(u128::from(self.random.of(0..SOURCES)) * 10).into();
        let last = self.sources.entry(name.clone()).or_default();
        *last += 1;
        self.pieces.push(Piece::Event(name, Box::new(UsageEvent { sequence: *last, ..content.clone() })));
    }
}

#[derive(Debug)]
struct Random(TestRng);

impl Random {
    fn of(&mut self, range: Range<u64>) -> u64 {
        self.0.random_range(range)
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.of(0..chances) == 0
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.of(0..list.len() as u64) as usize]
    }

    /// What is known of one request, the best first; the others are all worse, and may contradict each other.
    fn contents(&mut self) -> Vec<UsageEvent> {
        let admitted = self.admitted();
        let best = self.of(0..4) as usize;
        let mut contents = vec![self.content(&admitted, QUALITIES[best])];
        if let worse @ [_, ..] = &QUALITIES[best + 1..] {
            for _ in 0..self.of(0..4) {
                let quality = self.pick(worse);
                contents.push(self.content(&admitted, quality));
            }
        }
        contents
    }

    /// What is fixed at admission: in the last hour, or this month, or a month that is closed.
    fn admitted(&mut self) -> UsageEvent {
        let longest_ago = self.pick(&[40 * MINUTE_MS, 19 * DAY_MS, 34 * DAY_MS]);
        let at = now().minus(Duration::from_millis(self.of(0..longest_ago)));
        let tail: Vec<u8> = (0..10).map(|_| self.of(0..256) as u8).collect();
        let id = uuid::Builder::from_unix_timestamp_millis(at.unix_ms() as u64, tail.as_slice().try_into().unwrap());
        let bytes = |id: Uuid| Bytes::copy_from_slice(id.as_bytes());
        let of_user = of_user(self.of(1..4).into(), event(1, at));
        let (team_number, keyless) = (self.of(0..3), self.one_in(5));
        UsageEvent {
            id: bytes(id.into_uuid()),
            key_id: if keyless { Bytes::new() } else { of_user.key_id },
            team_id: if team_number == 0 { Bytes::new() } else { bytes(team(team_number.into()).uuid()) },
            cost_centre: self.pick(&["", "CC-1"]).to_owned(),
            operation: self.pick(&["chat", "embeddings"]).to_owned(),
            model_id: bytes(Uuid::from_u128(1)),
            ..of_user
        }
    }

    fn content(&mut self, admitted: &UsageEvent, quality: Quality) -> UsageEvent {
        let tokens = Tokens {
            input: self.of(0..4_000),
            cached_input: self.of(0..4),
            cache_write_input: self.of(0..4),
            audio_input: self.of(0..4),
            output: self.of(0..900),
            reasoning_output: self.of(0..4),
            audio_output: self.of(0..4),
            images: self.of(0..3),
        };
        let unpriced = self.one_in(6);
        UsageEvent {
            model: self.pick(&["llama", "qwen", "mistral"]).to_owned(),
            upstream: self.pick(&["gpu-a", "gpu-b", ""]).to_owned(),
            outcome: self.pick(&["success", "success", "interrupted", "upstream_error"]).to_owned(),
            currency: self.pick(&["USD", "USD", "EUR"]).to_owned(),
            price_id: if unpriced { Bytes::new() } else { Bytes::from_static(&[7; 16]) },
            tokens: Some(tokens),
            cost_nanos: self.of(0..5_000_000_000) as i64,
            completed_us: self.one_in(2).then(|| self.of(0..200_000_000)),
            first_byte_us: self.one_in(2).then(|| self.of(0..9_000_000)),
            quality: quality.into(),
            ..admitted.clone()
        }
    }

    fn correction(&mut self, number: u128) -> Correction {
        let at = now().minus(Duration::from_millis(self.of(0..50 * DAY_MS)));
        let mut amount = || self.of(0..2_000_001) as i64 - 1_000_000;
        let measures = Measures { requests: amount(), output: amount(), cost_nanos: amount(), ..Measures::default() };
        let measures = Measures { input: 1, ..measures };
        Correction { measures, ..correction(Uuid::from_u128(number + 1), at, 0) }
    }
}
