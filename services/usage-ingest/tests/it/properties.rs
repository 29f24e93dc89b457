//! Sums never drift: any order, any repetition, any split of the same events gives the same books.

use std::time::Duration;

use maas_events::usage::{Tokens, UsageEvent};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

use crate::{
    producer::{event, events, of_user, source},
    world::{Books, Engine, World, now, on_both_databases},
};

on_both_databases! { the_books_do_not_depend_on_how_events_arrive }

const SOURCES: u64 = 2;
const EVENTS: u64 = 12;

/// One way of the events to the ledger: messages as lists of event numbers.
type Arrival = Vec<Vec<usize>>;

fn arrivals() -> impl Strategy<Value = Arrival> {
    let numbers: Vec<usize> = (0..(SOURCES * EVENTS) as usize).collect();
    let order = Just(numbers.repeat(2)).prop_shuffle();
    let repeated = prop::collection::vec(0..(SOURCES * EVENTS) as usize, 0..10);
    (order, repeated, 1_usize..9).prop_map(|(mut order, repeated, size)| {
        order.extend(repeated);
        order.chunks(size).map(<[usize]>::to_vec).collect()
    })
}

/// Two users, three models, over three quarters.
fn some_events() -> Vec<(String, UsageEvent)> {
    let all = (0..SOURCES * EVENTS).map(|number| {
        let minutes = Duration::from_secs(60 * (number * 7 % 40));
        let event = event(number / SOURCES + 1, now().minus(minutes));
        let tokens = Tokens { input: 10 + number, output: number, ..Default::default() };
        let cost_nanos = i64::try_from(number * 1_000_003).unwrap();
        let event = UsageEvent { tokens: Some(tokens), cost_nanos, model: format!("model-{}", number % 3), ..event };
        (source(u128::from(number % SOURCES * 10)), of_user(u128::from(number % 2 + 1), event))
    });
    all.collect()
}

async fn books_after(world: &World, arrival: &Arrival, list: &[(String, UsageEvent)]) -> Books {
    for message in arrival {
        for number in 0..SOURCES {
            let name = source(u128::from(number * 10));
            let of_source = message.iter().map(|index| &list[*index]).filter(|(source, _)| *source == name);
            let of_source: Vec<_> = of_source.map(|(_, event)| event.clone()).collect();
            if !of_source.is_empty() {
                world.deliver(events(&name, of_source)).await;
            }
        }
    }
    world.books().await
}

async fn the_books_do_not_depend_on_how_events_arrive(engine: Engine) {
    let list = some_events();
    let (world, _service) = World::started(engine).await;
    let in_order: Arrival = (0..list.len()).map(|number| vec![number]).collect();
    let expected = books_after(&world, &in_order, &list).await;
    let total: i64 = list.iter().map(|(_, event)| event.cost_nanos).sum();
    assert_eq!(expected.ledger.iter().map(|row| row.cost_nanos).sum::<i64>(), total);
    assert_eq!(expected.rollups.iter().map(|row| row.cost_nanos).sum::<i64>(), total);

    let mut runner = TestRunner::deterministic();
    for _ in 0..6 {
        let arrival = arrivals().new_tree(&mut runner).unwrap().current();
        let (world, _service) = World::started(engine).await;
        assert_eq!(books_after(&world, &arrival, &list).await, expected, "{arrival:?}");
        assert_eq!(world.event_count().await, SOURCES * EVENTS);
        assert_eq!(world.watermark(&source(10)).await.unwrap().committed_through, EVENTS);
    }
}
