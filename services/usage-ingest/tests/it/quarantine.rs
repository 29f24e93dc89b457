//! What cannot be booked is kept, and never stands in the way of the rest.

use std::time::Duration;

use maas_events::usage::{Quality, UsageEvent};

use crate::{
    producer::{event, raw_message, source},
    world::{Engine, World, now, on_both_databases},
};

on_both_databases! {
    a_poisoned_event_is_alone_in_quarantine
    an_invalid_event_is_alone_in_quarantine
    admissions_outside_the_window_are_kept_aside
    an_unreadable_message_counts_by_its_headers
    headers_that_claim_too_much_are_not_believed
    the_same_id_with_another_content_is_a_conflict
    a_quarantined_message_delivered_again_is_one_row
}

/// An event that passes every check and that the database refuses.
async fn poisoned(world: &World, engine: Engine, sequence: u64) -> UsageEvent {
    let model = match engine {
        Engine::Sqlite => {
            let trigger = "CREATE TRIGGER poison BEFORE INSERT ON usage_events WHEN NEW.model = 'poison' \
                           BEGIN SELECT RAISE(ABORT, 'poisoned'); END";
            world.execute(trigger).await;
            "poison"
        }
        // Postgres texts cannot hold NUL.
        Engine::Postgres => "poi\0son",
    };
    UsageEvent { model: model.to_owned(), ..event(sequence, now()) }
}

async fn a_poisoned_event_is_alone_in_quarantine(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    let mut list: Vec<_> = (1..=50).map(|sequence| event(sequence, now())).collect();
    list[30] = poisoned(&world, engine, 31).await;
    world.deliver_events(&source(1), list).await;
    assert_eq!(world.event_count().await, 49);
    assert_eq!(world.books().await.ledger[0].requests, 49);
    let quarantined = world.quarantined().await;
    assert_eq!(quarantined.len(), 1);
    assert_eq!((quarantined[0].kind.as_str(), quarantined[0].first_sequence), ("poisoned", Some(31)));
    assert_eq!(world.watermark(&source(1)).await.unwrap().committed_through, 50);
}

async fn an_invalid_event_is_alone_in_quarantine(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    let invalid = UsageEvent { operation: "dance".to_owned(), ..event(2, now()) };
    world.deliver_events(&source(1), vec![event(1, now()), invalid, event(3, now())]).await;
    assert_eq!(world.event_count().await, 2);
    let quarantined = world.quarantined().await;
    assert_eq!((quarantined[0].kind.as_str(), quarantined.len()), ("invalid", 1));
    assert!(quarantined[0].reason.contains("dance"));
    assert_eq!(world.watermark(&source(1)).await.unwrap().committed_through, 3);
}

async fn admissions_outside_the_window_are_kept_aside(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    let day = Duration::from_secs(86_400);
    let list = vec![
        event(1, now().plus(Duration::from_secs(301))),
        event(2, now().minus(day * 36)),
        event(3, now().minus(day * 34)),
        event(4, now().plus(Duration::from_secs(299))),
    ];
    world.deliver_events(&source(1), list).await;
    assert_eq!(world.event_count().await, 2);
    assert_eq!(world.quarantined().await.len(), 2);
    // October is closed by now: what comes late is in November's report, as a line of October.
    let months: Vec<_> = world.books().await.ledger.iter().map(|row| row.times.clone()).collect();
    assert_eq!(months, [[202_611, 202_610], [202_611, 202_611]]);
    assert_eq!(world.watermark(&source(1)).await.unwrap().committed_through, 4);
}

async fn an_unreadable_message_counts_by_its_headers(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    world.deliver(raw_message(&source(1), 1, 40, &b"\xff\xff not protobuf"[..])).await;
    let quarantined = world.quarantined().await;
    assert_eq!((quarantined[0].first_sequence, quarantined[0].last_sequence), (Some(1), Some(40)));
    assert_eq!(quarantined[0].payload, b"\xff\xff not protobuf");
    assert_eq!(world.watermark(&source(1)).await.unwrap().committed_through, 40);
}

async fn headers_that_claim_too_much_are_not_believed(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    world.deliver(raw_message(&source(1), 1, u64::from(u32::MAX), &b"\xff"[..])).await;
    world.deliver(raw_message("somebody", 1, 2, &b"\xff"[..])).await;
    // A message of a kind that this version does not know: source, and a field that nobody has heard of.
    let mut unknown = vec![10, u8::try_from(source(3).len()).unwrap()];
    unknown.extend(source(3).bytes());
    unknown.extend([0xfa, 0x01, 0x01, 0x00]);
    world.deliver(raw_message(&source(3), 9, 9, unknown)).await;
    assert_eq!(world.watermark(&source(1)).await.unwrap().committed_through, 0);
    assert_eq!(world.watermark("somebody").await, None);
    assert_eq!(world.quarantined().await.len(), 3);
    assert_eq!(world.event_count().await, 0);
}

async fn the_same_id_with_another_content_is_a_conflict(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    let exact = event(1, now());
    let worse = UsageEvent { sequence: 2, cost_nanos: 9_000, quality: Quality::Estimated.into(), ..exact.clone() };
    world.deliver_events(&source(1), vec![exact.clone()]).await;
    world.deliver_events(&source(1), vec![worse]).await;
    // Within one batch, too.
    let sibling = event(3, now());
    let twin = UsageEvent { sequence: 4, status: 500, ..sibling.clone() };
    world.deliver_events(&source(1), vec![sibling, twin]).await;
    let quarantined = world.quarantined().await;
    assert_eq!(quarantined.iter().map(|row| row.first_sequence).collect::<Vec<_>>(), [Some(2), Some(4)]);
    assert!(quarantined.iter().all(|row| row.kind == "conflict"));
    assert!(quarantined[0].reason.contains("estimated differs"), "{}", quarantined[0].reason);
    assert_eq!(world.books().await.ledger[0].cost_nanos, 3_000);
    assert_eq!(world.watermark(&source(1)).await.unwrap().committed_through, 4);
}

async fn a_quarantined_message_delivered_again_is_one_row(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    for _ in 0..3 {
        world.deliver(raw_message(&source(1), 1, 2, &b"\xff"[..])).await;
    }
    assert_eq!(world.quarantined().await.len(), 1);
}
