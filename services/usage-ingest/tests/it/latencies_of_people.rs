//! Latencies of every key or user: of whole days, whatever the period is, and refused where days cannot answer.

use maas_events::usage::UsageEvent;
use maas_types::Timestamp;
use maas_usage_ingest::UsageIngest;
use serde_json::{Value, json};

use crate::{
    asking::{admin, get, ok},
    producer::{event, of_user, source, user},
    world::{Engine, World, on_both_databases},
};

on_both_databases! {
    counts_are_of_the_period_and_latencies_of_its_days
    sorted_by_a_percentile_every_group_comes_once
    series_of_every_user_are_of_days_or_short
}

const PERIOD: &str = "from=2026-11-18T12:00:00Z&to=2026-11-19T12:00:00Z";

fn timed(number: u128, at: &str, seconds: u64) -> UsageEvent {
    let at: Timestamp = at.parse().unwrap();
    of_user(number, UsageEvent { completed_us: Some(seconds * 1_000_000), ..event(1, at) })
}

/// Users 1 to 3 in the period, and some more of user 1 and of user 4 on its days.
async fn some_users(engine: Engine) -> (World, UsageIngest) {
    let (world, service) = World::started(engine).await;
    let list = [
        timed(1, "2026-11-18T06:00:00Z", 55),
        timed(1, "2026-11-18T13:00:00Z", 1),
        timed(2, "2026-11-18T14:00:00Z", 8),
        timed(3, "2026-11-19T11:00:00Z", 25),
        timed(4, "2026-11-19T23:00:00Z", 25),
    ];
    let numbered = list.into_iter().zip(1..).map(|(event, sequence)| UsageEvent { sequence, ..event });
    world.deliver_events(&source(1), numbered.collect()).await;
    (world, service)
}

async fn ask(service: &UsageIngest, question: &str) -> Value {
    ok(service, &admin(), &format!("/api/v1/usage/{question}&{PERIOD}")).await
}

fn users(answer: &Value) -> Vec<&Value> {
    answer["data"].as_array().unwrap().iter().map(|row| &row["group"]["user_id"]).collect()
}

async fn counts_are_of_the_period_and_latencies_of_its_days(engine: Engine) {
    let (_world, service) = some_users(engine).await;
    let answer = ask(&service, "breakdown?group=user&sort=name&latency=true").await;
    assert_eq!(answer["period"]["from"], "2026-11-18T12:00:00.000Z");
    let days = json!({"from": "2026-11-18T00:00:00.000Z", "to": "2026-11-20T00:00:00.000Z"});
    assert_eq!(answer["latency_period"], days);
    assert_eq!(users(&answer), [&json!(user(1)), &json!(user(2)), &json!(user(3))]);
    assert_eq!((&answer["data"][0]["requests"], &answer["totals"]["requests"]), (&json!(1), &json!(3)));
    let p99 = |row: &Value| row["latency_ms"]["p99"].as_f64().unwrap();
    assert!(p99(&answer["data"][0]) > 30_000.0, "the slow one of the morning is of that day: {answer}");
    assert!(p99(&answer["data"][1]) < 10_000.0 && p99(&answer["totals"]) > 30_000.0, "{answer}");
    // Of one user, single entries know it exactly.
    let of_one = ask(&service, &format!("breakdown?group=user&latency=true&user_id={}", user(1))).await;
    assert_eq!(of_one["latency_period"], of_one["period"]);
    assert!(p99(&of_one["data"][0]) <= 1_000.0, "{of_one}");
}

async fn sorted_by_a_percentile_every_group_comes_once(engine: Engine) {
    let (_world, service) = some_users(engine).await;
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = ask(&service, &format!("breakdown?group=user&sort=latency_p50&limit=1{cursor}")).await;
        found.extend(users(&page).into_iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    // User 1 has one of 1 s and one of 55 s.
    assert_eq!(found, [json!(user(3)), json!(user(2)), json!(user(1))]);
}

async fn series_of_every_user_are_of_days_or_short(engine: Engine) {
    let (_world, service) = some_users(engine).await;
    let path = |more: &str| format!("/api/v1/usage/timeseries?metric=latency_p95&group=user{more}");
    let three_days = "&from=2026-11-17T12:00:00Z&to=2026-11-19T12:00:00Z";
    let days = ok(&service, &admin(), &path(three_days)).await;
    let whole = json!({"from": "2026-11-17T00:00:00.000Z", "to": "2026-11-20T00:00:00.000Z"});
    assert_eq!((&days["period"], days["series"].as_array().unwrap().len()), (&whole, 4));
    let short = ok(&service, &admin(), &path(&format!("&interval=hour&{PERIOD}"))).await;
    assert_eq!(
        (&short["period"]["from"], short["series"].as_array().unwrap().len()),
        (&json!("2026-11-18T12:00:00.000Z"), 3)
    );
    for more in ["&interval=hour", "&time_zone=Asia/Tokyo"] {
        let (status, problem) = get(&service, &admin(), &path(&format!("{three_days}{more}"))).await;
        assert_eq!((status, &problem["errors"][0]["code"]), (400, &json!("days_only")), "{problem}");
        let of_one = path(&format!("{three_days}{more}&user_id={}", user(1)));
        assert_eq!(get(&service, &admin(), &of_one).await.0, 200);
    }
}
