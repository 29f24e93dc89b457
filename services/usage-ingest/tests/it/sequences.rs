//! Watermarks, gaps and how complete the figures are.

use std::time::Duration;

use maas_events::{
    topic::KEY_USAGE_SUBJECT,
    usage::{KeyUsage, KeyUsageQuery, SequenceRange},
};
use maas_usage_ingest::{
    domain::completeness::{Gap, LOST_AFTER, complete_until, total_gap},
    store,
};
use prost::Message as _;

use crate::{
    producer::{close, event, heartbeat, key, of_user, source},
    world::{Engine, World, now, on_both_databases},
};

on_both_databases! {
    a_late_fill_makes_the_watermark_jump
    a_gap_is_seen_and_closed
    a_closed_source_holds_nothing_back
    unknown_sources_have_no_watermark
    a_key_is_told_what_it_has_used
}

async fn a_late_fill_makes_the_watermark_jump(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    let source = source(1);
    let one_by_one = |from: u64, to: u64| (from..=to).map(|sequence| event(sequence, now())).collect::<Vec<_>>();
    world.deliver_events(&source, one_by_one(1, 3)).await;
    world.deliver_events(&source, one_by_one(6, 8)).await;
    world.deliver_events(&source, one_by_one(10, 10)).await;
    let watermark = world.watermark(&source).await.unwrap();
    let above = [SequenceRange { first: 6, last: 8 }, SequenceRange { first: 10, last: 10 }];
    assert_eq!((watermark.committed_through, watermark.above.as_slice()), (3, above.as_slice()));
    world.deliver_events(&source, one_by_one(4, 5)).await;
    assert_eq!(world.watermark(&source).await.unwrap().committed_through, 8);
    world.deliver_events(&source, one_by_one(9, 9)).await;
    let watermark = world.watermark(&source).await.unwrap();
    assert_eq!((watermark.committed_through, watermark.above.len()), (10, 0));
}

async fn gap_of(world: &World) -> Gap {
    let later = now().plus(Duration::from_secs(20));
    let sources = store::source::load_current(world.database.reader(), later.minus(LOST_AFTER)).await.unwrap();
    total_gap(sources.values(), later)
}

async fn complete(world: &World) -> i64 {
    let sources = store::source::load_current(world.database.reader(), now().minus(LOST_AFTER)).await.unwrap();
    now().unix_ms() - complete_until(sources.values(), now()).unix_ms()
}

async fn a_gap_is_seen_and_closed(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    let source = source(1);
    let ago = |seconds| now().minus(Duration::from_secs(seconds));
    assert_eq!(complete(&world).await, 0);
    world.deliver(heartbeat(&source, 0, Some(ago(30)), ago(20))).await;
    world.deliver(heartbeat(&source, 2, None, ago(10))).await;
    assert_eq!(gap_of(&world).await, Gap { events: 2, age: Duration::from_secs(20) });
    assert_eq!(complete(&world).await, 30_000);

    world.deliver_events(&source, vec![event(1, ago(30)), event(2, ago(25))]).await;
    assert_eq!(gap_of(&world).await, Gap::default());
    assert_eq!(complete(&world).await, 10_000);
}

async fn a_closed_source_holds_nothing_back(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    let source = source(1);
    world.deliver(heartbeat(&source, 1, None, now().minus(Duration::from_secs(50)))).await;
    world.deliver(close(&source, 1)).await;
    assert_eq!(complete(&world).await, 50_000);
    world.deliver_events(&source, vec![event(1, now())]).await;
    assert_eq!(complete(&world).await, 0);
}

async fn unknown_sources_have_no_watermark(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    assert_eq!(world.watermark(&source(77)).await, None);
}

async fn a_key_is_told_what_it_has_used(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    let last_month = now().minus(Duration::from_secs(25 * 86_400));
    let other = of_user(2, event(3, now()));
    world.deliver_events(&source(1), vec![event(1, last_month), event(2, now()), other]).await;
    world.deliver(heartbeat(&source(1), 3, None, now())).await;
    let ask = |key_id: Vec<u8>| {
        let question = KeyUsageQuery { key_id: key_id.into() }.encode_to_vec();
        world.bus.ask(KEY_USAGE_SUBJECT, question.into(), Duration::from_secs(10))
    };
    let usage = KeyUsage::decode(ask(key(1).uuid().as_bytes().to_vec()).await.unwrap()).unwrap();
    let complete_until_ms = now().unix_ms();
    let (requests, input_tokens, output_tokens, cost_nanos) = (2, 200, 20, 3_000);
    let currency = "USD".to_owned();
    assert_eq!(usage, KeyUsage { requests, input_tokens, output_tokens, cost_nanos, currency, complete_until_ms });
    // Not zeros where nothing can be said.
    assert!(KeyUsage::decode(ask(vec![1, 2, 3]).await.unwrap()).is_err());
}
