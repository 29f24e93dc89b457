//! Sums never drift: any order, any repetition, any split of the same events and corrections gives the same books, and
//! the books are the plain sum over everything that is booked.

use std::time::Duration;

use maas_events::usage::{Quality, Tokens, UsageEvent};
use maas_types::Timestamp;
use maas_usage_ingest::{
    domain::correction::Correction,
    service::correct::correct,
    store::sums::{DAILY, LEDGER, OVERVIEW, OVERVIEW_DAILY, ROLLUPS},
};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use uuid::Uuid;

use crate::{
    corrections::correction,
    producer::{event, events, of_user, source},
    sums::plain_sums,
    world::{Books, Engine, World, closing, now, on_both_databases},
};

on_both_databases! { the_books_do_not_depend_on_how_usage_arrives }

const SOURCES: u64 = 2;
const REQUESTS: u64 = 18;
const CASES: usize = 6;

/// What comes to the ledger, once or more often.
#[derive(Debug, Clone)]
enum Piece {
    Event(String, Box<UsageEvent>),
    Correction(Box<Correction>),
}

/// One way of the pieces to the ledger: messages as lists of piece numbers.
type Arrival = Vec<Vec<usize>>;

fn arrivals(pieces: usize) -> impl Strategy<Value = Arrival> {
    let order = Just((0..pieces).collect::<Vec<_>>().repeat(2)).prop_shuffle();
    (order, prop::collection::vec(0..pieces, 0..10), 1_usize..14).prop_map(|(mut order, repeated, size)| {
        order.extend(repeated);
        order.chunks(size).map(<[usize]>::to_vec).collect()
    })
}

/// Two users, three models, over three quarters and a month that is closed; of every third request better counts, of
/// another upstream, and two worse ones that contradict each other.
fn pieces() -> Vec<Piece> {
    let mut pieces = Vec::new();
    for number in 0..REQUESTS {
        let late = if number % 6 == 5 { 25 * 86_400 } else { 0 };
        let admitted = now().minus(Duration::from_secs(60 * (number * 7 % 40) + late));
        let counts = |quality: Quality, more: u64, event: UsageEvent| {
            let tokens = Tokens { input: 10 + number + more, output: number, ..Default::default() };
            let cost_nanos = i64::try_from(number * 1_000_003 + more).unwrap();
            UsageEvent { tokens: Some(tokens), cost_nanos, quality: quality.into(), ..event }
        };
        let plain = UsageEvent { model: format!("model-{}", number % 3), ..event(1, admitted) };
        let exact = counts(Quality::Exact, 0, of_user(u128::from(number % 2 + 1), plain));
        if number.is_multiple_of(3) {
            let interrupted = UsageEvent { outcome: "interrupted".into(), upstream: "gpu-b".into(), ..exact.clone() };
            pieces.push(counts(Quality::Partial, 7_000, exact.clone()));
            pieces.push(counts(Quality::Estimated, 400, interrupted.clone()));
            pieces.push(counts(Quality::Estimated, 500, interrupted));
        }
        pieces.push(exact);
    }
    let numbered = pieces.into_iter().zip(0_u64..).map(|(event, number)| {
        let sequence = number / SOURCES + 1;
        Piece::Event(source(u128::from(number % SOURCES * 10)), Box::new(UsageEvent { sequence, ..event }))
    });
    numbered.chain((1..=4).map(|number| Piece::Correction(Box::new(some_correction(number))))).collect()
}

/// Two of the open month, two of the closed one.
fn some_correction(number: u128) -> Correction {
    let days = if number.is_multiple_of(2) { 25 } else { 1 };
    let at = now().minus(Duration::from_secs(days * 86_400));
    correction(Uuid::from_u128(number), at, -1_000 * i64::try_from(number).unwrap())
}

async fn books_after(world: &World, arrival: &Arrival, list: &[Piece]) -> Books {
    for message in arrival {
        let pieces = || message.iter().filter_map(|index| list.get(*index));
        for number in 0..SOURCES {
            let name = source(u128::from(number * 10));
            let of_source = pieces().filter_map(|piece| match piece {
                Piece::Event(source, event) if *source == name => Some((**event).clone()),
                _ => None,
            });
            let of_source: Vec<_> = of_source.collect();
            if !of_source.is_empty() {
                world.deliver(events(&name, of_source)).await;
            }
        }
        for piece in pieces() {
            if let Piece::Correction(piece) = piece {
                correct(&world.database, std::slice::from_ref(piece), closing(), now()).await.unwrap();
            }
        }
    }
    world.books().await
}

async fn check_against_entries(world: &World, books: &Books) {
    let db = world.database.reader();
    let quarter = |at: i64| vec![at.div_euclid(900_000) * 900_000];
    let day = |at: i64| vec![at.div_euclid(86_400_000)];
    let month = |at: i64| {
        let months = closing().month_for(Timestamp::from_unix_ms(at), now());
        vec![months.month.into(), months.of_month.into()]
    };
    assert_eq!(books.rollups, plain_sums(db, &ROLLUPS, quarter).await);
    assert_eq!(books.daily, plain_sums(db, &DAILY, day).await);
    assert_eq!(books.overview, plain_sums(db, &OVERVIEW, quarter).await);
    assert_eq!(books.overview_daily, plain_sums(db, &OVERVIEW_DAILY, day).await);
    assert_eq!(books.ledger, plain_sums(db, &LEDGER, month).await);
}

async fn the_books_do_not_depend_on_how_usage_arrives(engine: Engine) {
    let list = pieces();
    let (world, _service) = World::started(engine).await;
    let in_order: Arrival = (0..list.len()).map(|number| vec![number]).collect();
    let expected = books_after(&world, &in_order, &list).await.measures();
    // The exact counts of every request, and the corrections.
    let total = (0..REQUESTS).map(|number| i64::try_from(number * 1_000_003).unwrap()).sum::<i64>() - 10_000;
    assert_eq!(expected.ledger.iter().map(|row| row.cost_nanos).sum::<i64>(), total);
    assert_eq!(expected.rollups.iter().map(|row| row.requests).sum::<i64>(), i64::try_from(REQUESTS).unwrap());

    let mut runner = TestRunner::deterministic();
    for _ in 0..CASES {
        let arrival = arrivals(list.len()).new_tree(&mut runner).unwrap().current();
        let (world, _service) = World::started(engine).await;
        let books = books_after(&world, &arrival, &list).await;
        check_against_entries(&world, &books).await;
        assert_eq!(books.measures(), expected, "{arrival:?}");
        assert_eq!(world.event_count().await, REQUESTS);
        assert_eq!(world.watermark(&source(10)).await.unwrap().above.len(), 0);
    }
}
