//! The proof that no usage is missing: it holds, and it can fail.

use std::time::Duration;

use actix_web::http::Method;
use maas_usage_ingest::{UsageIngest, store::retention::raise_raw_floor};
use serde_json::{Value, json};

use crate::{
    api::{all_pages, call, get, post},
    producer::{close, event, heartbeat, of_user, source},
    world::{Engine, World, now, on_both_databases},
};

on_both_databases! {
    the_sums_are_the_sum_of_the_entries
    a_difference_of_any_table_is_shown
    days_without_raw_events_are_compared_among_their_sums
    a_source_shows_what_is_missing_and_for_how_long
    sources_are_live_closed_or_lost
    gauges_show_differences_and_quarantine
    bad_questions_are_refused
}

const TABLES: [&str; 6] =
    ["usage_rollups", "usage_overview", "usage_overview_hourly", "usage_daily", "usage_overview_daily", "usage_ledger"];

async fn some_usage(world: &World) {
    let minutes = |number: u64| now().minus(Duration::from_secs(60 * number));
    let other_day = now().minus(Duration::from_secs(86_400));
    let list = vec![event(1, now()), of_user(2, event(2, minutes(40))), event(3, other_day)];
    world.deliver_events(&source(1), list).await;
}

/// A new check: one of less than a minute ago would do for everybody else.
async fn proof(world: &World, service: &UsageIngest, day: &str) -> Value {
    world.clock.advance(Duration::from_secs(61));
    get(service, &format!("reconciliation?day={day}")).await["proofs"][0].clone()
}

/// The tables that differ, and by how many nano-units.
fn differences(proof: &Value) -> Vec<(String, i64)> {
    let tables = proof["tables"].as_array().unwrap().iter();
    let differing = tables.filter(|table| table["differences"] != json!({}));
    let of = |table: &Value| {
        (table["table"].as_str().unwrap().to_owned(), table["differences"]["cost_nanos"].as_i64().unwrap())
    };
    differing.map(of).collect()
}

async fn the_sums_are_the_sum_of_the_entries(engine: Engine) {
    let (world, service) = World::started(engine).await;
    some_usage(&world).await;
    let event_id = get(&service, "requests").await["data"][0]["id"].clone();
    let correction = json!({
        "id": format!("cor_{}", "1".repeat(32)), "event_id": event_id, "reason": "agreed", "output_tokens": -4,
        "cost": {"amount": "-0.000000500", "currency": "USD"}
    });
    assert_eq!(post(&service, "corrections", correction).await.0, 201);
    let today = proof(&world, &service, "2026-11-20").await;
    assert_eq!((today["equal"].clone(), today["requests"].clone()), (json!(true), json!(2)), "{today}");
    assert_eq!(today["compared_with"], "usage_entries");
    let compared: Vec<_> =
        today["tables"].as_array().unwrap().iter().map(|table| table["table"].as_str().unwrap()).collect();
    assert_eq!(compared, TABLES);
    assert_eq!(proof(&world, &service, "2026-11-19").await["requests"], 1);
    assert_eq!(proof(&world, &service, "2026-11-18").await["equal"], true);
}

async fn a_difference_of_any_table_is_shown(engine: Engine) {
    let (world, service) = World::started(engine).await;
    some_usage(&world).await;
    for table in TABLES {
        world.execute(&format!("UPDATE {table} SET cost_nanos = cost_nanos + 7")).await;
        let found = proof(&world, &service, "2026-11-20").await;
        assert_eq!(found["equal"], false, "{table}: {found}");
        assert!(differences(&found).iter().any(|(name, by)| name == table && *by >= 7), "{table}: {found}");
        world.execute(&format!("UPDATE {table} SET cost_nanos = cost_nanos - 7")).await;
    }
    // The other way round: an event that was never summed.
    world.execute("DELETE FROM usage_events WHERE sequence = 2").await;
    let found = proof(&world, &service, "2026-11-20").await;
    let expected: Vec<_> = TABLES[..5].iter().map(|table| ((*table).to_owned(), 1_500)).collect();
    assert_eq!(differences(&found), expected);
    assert_eq!(found["tables"][0]["groups"][0]["model"], "llama");
}

async fn days_without_raw_events_are_compared_among_their_sums(engine: Engine) {
    let (world, service) = World::started(engine).await;
    some_usage(&world).await;
    raise_raw_floor(world.database.writer(), 30_000).await.unwrap();
    world.execute("DELETE FROM usage_events").await;
    let found = proof(&world, &service, "2026-11-20").await;
    assert_eq!((found["compared_with"].as_str(), found["equal"].clone()), (Some("usage_rollups"), json!(true)));
    assert_eq!(found["requests"], 2);
}

async fn a_source_shows_what_is_missing_and_for_how_long(engine: Engine) {
    let (world, service) = World::started(engine).await;
    let ago = |seconds| now().minus(Duration::from_secs(seconds));
    world.deliver_events(&source(1), vec![event(1, ago(3)), event(4, ago(2))]).await;
    world.deliver(heartbeat(&source(1), 6, Some(ago(1)), now())).await;
    world.clock.advance(Duration::from_secs(5));
    let soon = get(&service, "reconciliation").await;
    let shown = &soon["data"][0];
    assert_eq!((shown["announced"].as_i64(), shown["committed_through"].as_i64()), (Some(6), Some(1)));
    assert_eq!(shown["committed_above"], json!([{"first": 4, "last": 4}]));
    assert_eq!((shown["missing_events"].as_i64(), shown["missing_for_seconds"].as_i64()), (Some(4), Some(5)));
    assert_eq!((shown["has_gap"].clone(), shown["open_requests"].as_i64()), (json!(false), Some(1)));
    world.clock.advance(Duration::from_secs(5));
    let late = get(&service, "reconciliation?missing=true").await;
    assert_eq!((late["data"][0]["has_gap"].clone(), late["totals"]["missing_events"].as_i64()), (json!(true), Some(4)));

    let rest = [2, 3, 5, 6].map(|sequence| event(sequence, ago(2)));
    world.deliver_events(&source(1), rest.to_vec()).await;
    let healed = get(&service, "reconciliation").await;
    assert_eq!(
        (healed["totals"]["missing_events"].as_i64(), healed["totals"]["missing_for_seconds"].clone()),
        (Some(0), Value::Null)
    );
    assert_eq!(healed["complete_until"], json!(ago(1)));
    assert_eq!(get(&service, "reconciliation?missing=true").await["data"], json!([]));
}

async fn sources_are_live_closed_or_lost(engine: Engine) {
    let (world, service) = World::started(engine).await;
    world.deliver(heartbeat(&source(1), 0, Some(now()), now())).await;
    world.deliver_events(&source(3), vec![event(1, now())]).await;
    world.deliver(close(&source(3), 1)).await;
    world.clock.advance(Duration::from_secs(15 * 60));
    world.deliver(heartbeat(&source(5), 0, None, now().plus(Duration::from_secs(15 * 60)))).await;
    let states: Vec<_> =
        all_pages(&service, "reconciliation?").await.iter().map(|row| row["state"].to_string()).collect();
    assert_eq!(states, ["\"lost\"", "\"closed\"", "\"live\""]);
    let totals = get(&service, "reconciliation?state=lost").await["totals"].clone();
    assert_eq!(
        (totals["live"].as_i64(), totals["closed"].as_i64(), totals["lost"].as_i64()),
        (Some(1), Some(1), Some(1))
    );
    assert_eq!(all_pages(&service, "reconciliation?state=closed&").await.len(), 1);
}

async fn gauges_show_differences_and_quarantine(engine: Engine) {
    let world = World::idle(engine).await;
    let first = world.start().await;
    world
        .deliver_events(&source(1), vec![event(1, now()), event(2, now().minus(Duration::from_secs(40 * 86_400)))])
        .await;
    world.execute("UPDATE usage_daily SET input_tokens = input_tokens + 5").await;
    // The next check is due.
    world.clock.advance(Duration::from_secs(11 * 60));
    drop(first);
    let mut second = world.beside().await;
    second.clock = world.clock.clone();
    second.process.clock = world.clock.clone();
    let _service = second.start().await;
    let shown = || async {
        let text = second.process.metrics.render().unwrap();
        let has = |line: &str| text.lines().any(|shown| shown == line);
        let all = has("maas_usage_reconciliation_difference{table=\"usage_daily\",measure=\"input_tokens\"} 5")
            && has("maas_usage_reconciliation_difference{table=\"usage_rollups\",measure=\"cost_nanos\"} 0")
            && has("maas_usage_quarantine_entries{kind=\"outside_window\"} 1");
        all.then_some(text)
    };
    let text = maas_testkit::eventually(Duration::from_secs(20), shown).await;
    assert_eq!(maas_runtime::metrics::undeclared(&text), Vec::<String>::new());
    let last_success = "maas_usage_rollup_last_success_timestamp_seconds";
    assert!(text.contains(&format!("{last_success}{{rollup=\"usage_rollups\"}}")));
    assert!(!text.contains(&format!("{last_success}{{rollup=\"usage_daily\"}}")), "it never was right here: {text}");
}

async fn bad_questions_are_refused(engine: Engine) {
    let (_world, service) = World::started(engine).await;
    for path in
        ["day=2026-11-21", "day=today", "day=2026-11-20T00:00:00Z", "state=odd", "limit=0", "cursor=odd", "colour=red"]
    {
        let (status, problem) = call(&service, "admin", Method::GET, &format!("reconciliation?{path}"), None, "").await;
        assert_eq!((status, problem["code"].as_str()), (400, Some("invalid_input")), "{path}");
    }
}
