//! An export is of one moment, for as long as its client takes it, and nobody waits for it.

use std::time::Duration;

use maas_testkit::eventually;
use maas_types::Currency;
use maas_usage_ingest::{
    UsageIngest,
    domain::{filter::UsageFilter, period::Period},
    service::{
        analytics::Usage,
        correct::correct,
        export::{BrokenOff, Entries, ExportLimits, Exports, Pages, Rows},
        partitions::drop_expired,
    },
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    asking::{Answer, admin, answer, get, ok, person},
    corrections::correction,
    export::many,
    producer::{event, source, user},
    world::{Engine, World, closing, now, on_both_databases},
};

on_both_databases! {
    what_is_booked_meanwhile_is_not_in_the_file
    days_that_an_export_reads_are_not_dropped
    a_client_that_takes_nothing_loses_its_snapshot
    exports_that_nobody_takes_keep_nobody_waiting
}

const PATIENCE: Duration = Duration::from_secs(20);
const DAY: Duration = Duration::from_secs(86_400);

/// The head and the first rows of an export by an admin.
async fn begun(service: &UsageIngest, question: &str) -> (Answer, String) {
    let mut answer = answer(service, &admin(), &format!("/api/v1/usage/{question}")).await;
    assert_eq!(answer.status, 200);
    let mut text = String::new();
    while !text.contains("model") {
        text += std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap();
    }
    (answer, text)
}

async fn what_is_booked_meanwhile_is_not_in_the_file(engine: Engine) {
    let (world, service) = World::started(engine).await;
    many(&world).await;
    let before = ok(&service, &admin(), "/api/v1/usage/summary").await["totals"].clone();
    let questions = ["export?granularity=entries&format=json", "export?granularity=hour&group=model&format=json"];
    let mut exports = Vec::new();
    for question in questions {
        exports.push(begun(&service, question).await);
    }
    // At the beginning of the period and at its end, where no page has been yet.
    let times = [now().minus(DAY * 18), now().minus(Duration::from_secs(1))];
    world.deliver_events(&source(5), vec![event(1, times[0]), event(2, times[1])]).await;
    correct(&world.database, &[correction(Uuid::from_u128(1), times[1], -77)], closing(), now()).await.unwrap();

    for (mut answer, beginning) in exports {
        let file: Value = serde_json::from_str(&(beginning + &answer.text().await)).unwrap();
        assert_eq!(file["totals"], before);
        assert_eq!(file["rows"].as_array().unwrap().len(), 2_500);
        assert_eq!(file["as_of"], now().to_string());
    }
    let after = ok(&service, &admin(), "/api/v1/usage/summary").await["totals"].clone();
    assert_ne!(after, before);
    let chargeback = ok(&service, &admin(), "/api/v1/usage/chargeback?month=2026-11").await;
    assert_eq!(chargeback["totals"]["cost"], after["cost"]);
}

async fn days_that_an_export_reads_are_not_dropped(engine: Engine) {
    let (world, service) = World::started(engine).await;
    for batch in 0..10_u64 {
        let old = |number: u64| event(number + 1, now().minus(DAY * 34 - Duration::from_secs(number)));
        world.deliver_events(&source(1), (batch * 250..(batch + 1) * 250).map(old).collect()).await;
    }
    let (retention, later) = (DAY * 40, now().plus(DAY * 10));
    let question = "export?granularity=entries&format=json&from=2026-10-15T00:00:00Z";
    let (mut answer, beginning) = begun(&service, question).await;
    // On Postgres it waits for the reader and gives up; on SQLite the reader has its own view of what goes.
    let dropped = drop_expired(&world.database, retention, later).await;
    assert_eq!(dropped.is_ok(), engine == Engine::Sqlite, "{dropped:?}");
    let file: Value = serde_json::from_str(&(beginning + &answer.text().await)).unwrap();
    assert_eq!((file["rows"].as_array().unwrap().len(), &file["totals"]["requests"]), (2_500, &2_500.into()));

    let gone = || async {
        let _tried_again = drop_expired(&world.database, retention, later).await;
        (world.event_count().await == 0).then_some(())
    };
    eventually(PATIENCE, gone).await;
}

/// Of all events, by user 1.
async fn entries(exports: &Exports) -> Pages {
    let snapshot = exports.begin(user(1), Currency::USD, now()).await.unwrap();
    let usage = Usage { period: Period { from: now().minus(DAY), to: now() }, filter: UsageFilter::everything() };
    let rows = Entries::new(&snapshot.ledger, usage).unwrap();
    snapshot.read(Rows::Entries(rows))
}

async fn a_client_that_takes_nothing_loses_its_snapshot(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    many(&world).await;
    let (at_once, later) = (Duration::ZERO, DAY);
    for limits in [ExportLimits { pause: at_once, whole: later }, ExportLimits { pause: later, whole: at_once }] {
        let exports = Exports::new(&world.database, limits);
        let mut abandoned = [entries(&exports).await, entries(&exports).await];
        let begin = || exports.begin(user(1), Currency::USD, now());
        // Both: with one of them over, the other could still be read to its end.
        let free = || async { Some((begin().await.ok()?, begin().await.ok()?)) };
        eventually(PATIENCE, free).await;
        let ended = loop {
            match abandoned[0].next().await {
                Ok(page) => assert!(!page.is_empty(), "it looks complete"),
                Err(error) => break error,
            }
        };
        assert!(matches!(ended, BrokenOff::NotTaken), "{ended}");
    }
}

async fn exports_that_nobody_takes_keep_nobody_waiting(engine: Engine) {
    let (world, service) = World::started(engine).await;
    many(&world).await;
    let path = "/api/v1/usage/export?granularity=entries&from=2026-11-20T00:00:00Z";
    let mut untaken = Vec::new();
    for number in 0..8_u128 {
        // Everybody sees the usage of the events' user.
        let reader = format!("user:{}:admin-readonly", user(10 + number / 2));
        let answer = answer(&service, &reader, path).await;
        assert_eq!(answer.status, 200);
        untaken.push(answer);
    }
    assert_eq!(get(&service, &admin(), path).await.0, 429);
    world.deliver_events(&source(5), vec![event(1, now().minus(DAY))]).await;
    let summary = ok(&service, &person(1), "/api/v1/usage/summary").await;
    assert_eq!(summary["totals"]["requests"], 2_501);
}
