//! The operations through the real app: sums, pages, whose usage is seen, bad input.

use std::time::Duration;

use maas_events::usage::UsageEvent;
use maas_types::Timestamp;
use serde_json::{Value, json};

use crate::{
    asking::{admin, get, ok, person, sum},
    producer::{event, heartbeat, key, of_user, source, user},
    world::{Engine, World, now, on_both_databases},
};

on_both_databases! {
    the_summary_is_the_sum_of_the_requests
    edges_off_the_quarter_hours_are_exact
    a_user_sees_only_their_own
    pages_cover_every_request_once
    a_key_shows_its_first_and_last_use
    currencies_are_not_mixed
    bad_input_is_refused
}

async fn the_summary_is_the_sum_of_the_requests(engine: Engine) {
    let (world, service) = World::started(engine).await;
    let minutes = |number: u64| now().minus(Duration::from_secs(60 * number));
    let keyless = UsageEvent { key_id: Default::default(), model: "qwen".to_owned(), ..event(3, minutes(70)) };
    let list = vec![event(1, minutes(1)), of_user(2, event(2, minutes(40))), keyless];
    world.deliver_events(&source(1), list).await;
    world.deliver(heartbeat(&source(1), 3, None, minutes(0))).await;

    let summary = ok(&service, &admin(), "/api/v1/usage/summary").await;
    let totals = json!({
        "requests": 3, "errors": 0, "unpriced_requests": 0, "input_tokens": 300, "output_tokens": 30,
        "cached_input_tokens": 120, "cache_write_input_tokens": 0, "audio_input_tokens": 0, "reasoning_tokens": 9,
        "audio_output_tokens": 0, "images": 0,
        "cost": {"amount": "0.000004500", "currency": "USD"}
    });
    assert_eq!(summary["totals"], totals);
    assert_eq!(summary["period"], json!({"from": "2026-11-01T00:00:00.000Z", "to": "2026-11-20T09:37:00.000Z"}));
    assert_eq!(summary["complete_until"], "2026-11-20T09:37:00.000Z");
    for group in ["by_model", "by_key"] {
        for field in ["requests", "input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens"] {
            assert_eq!(sum(&summary[group], field), totals[field].as_i64().unwrap(), "{group} {field}");
        }
    }
    assert_eq!(summary["by_model"][0]["model"], "llama");
    let first_key =
        summary["by_key"].as_array().unwrap().iter().find(|row| row["key_id"] == key(1).to_string()).unwrap();
    assert_eq!(first_key["last_used_at"], "2026-11-20T09:36:00.000Z");

    let log = ok(&service, &admin(), "/api/v1/usage/requests").await;
    assert_eq!(sum(&log["data"], "input_tokens"), 300);
    let newest = &log["data"][0];
    assert!(newest["id"].as_str().unwrap().starts_with("evt_"));
    assert_eq!(
        (newest["time_to_first_token_ms"].as_i64(), newest["duration_ms"].as_i64(), newest["quality"].as_str()),
        (Some(80), Some(900), Some("exact"))
    );
    assert_eq!((log["data"][2]["key_id"].clone(), log["next_cursor"].clone()), (Value::Null, Value::Null));

    let of_key = ok(&service, &admin(), &format!("/api/v1/usage/summary?key_id={}", key(2))).await;
    let of_model = ok(&service, &admin(), "/api/v1/usage/summary?model=qwen").await;
    assert_eq!((of_key["totals"]["requests"].as_i64(), of_model["totals"]["requests"].as_i64()), (Some(1), Some(1)));
}

async fn edges_off_the_quarter_hours_are_exact(engine: Engine) {
    let (world, service) = World::started(engine).await;
    let start: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
    // One event a minute, for an hour.
    let list = (0..60).map(|minute| event(minute + 1, start.plus(Duration::from_secs(60 * minute)))).collect();
    world.deliver_events(&source(1), list).await;
    for (from, to, expected) in [
        ("08:00:00", "09:00:00", 60),
        ("08:00:00.001", "09:00:00", 59),
        ("08:07:00", "08:08:00", 1),
        ("08:07:30", "08:52:30", 45),
        ("08:14:00", "08:16:00", 2),
        ("08:15:00", "08:45:00", 30),
        ("08:20:00", "08:31:00", 11),
    ] {
        let path = format!("/api/v1/usage/summary?from=2026-11-20T{from}Z&to=2026-11-20T{to}Z");
        let summary = ok(&service, &admin(), &path).await;
        assert_eq!(summary["totals"]["requests"], expected, "{from} to {to}");
        assert_eq!(sum(&summary["by_model"], "requests"), expected);
    }
}

async fn a_user_sees_only_their_own(engine: Engine) {
    let (world, service) = World::started(engine).await;
    world.deliver_events(&source(1), vec![event(1, now()), of_user(2, event(2, now()))]).await;
    // The event of this very millisecond is not before now.
    world.clock.advance(Duration::from_secs(1));
    for path in ["/api/v1/usage/summary", "/api/v1/usage/requests"] {
        assert_eq!(get(&service, "", path).await.0, 401);
    }
    let own = ok(&service, &person(2), "/api/v1/usage/summary").await;
    assert_eq!((own["totals"]["requests"].as_i64(), own["by_key"][0]["key_id"].clone()), (Some(1), json!(key(2))));
    for filter in [format!("user_id={}", user(1)), format!("key_id={}", key(1))] {
        let summary = ok(&service, &person(2), &format!("/api/v1/usage/summary?{filter}")).await;
        assert_eq!((summary["totals"]["requests"].as_i64(), &summary["by_key"]), (Some(0), &json!([])));
        let log = ok(&service, &person(2), &format!("/api/v1/usage/requests?{filter}")).await;
        assert_eq!(log["data"], json!([]));
    }
    let log = ok(&service, &person(2), "/api/v1/usage/requests").await;
    assert_eq!(log["data"].as_array().unwrap().len(), 1);
    let reader = format!("user:{}:admin-readonly", user(98));
    let of_one = ok(&service, &reader, &format!("/api/v1/usage/summary?user_id={}", user(1))).await;
    assert_eq!(of_one["totals"]["requests"], 1);
}

async fn pages_cover_every_request_once(engine: Engine) {
    let (world, service) = World::started(engine).await;
    // Several in one millisecond, over two days.
    let time = |number: u64| now().minus(Duration::from_secs(number / 4 * 9_000));
    world.deliver_events(&source(1), (1..=25).map(|number| event(number, time(number))).collect()).await;
    let mut seen = Vec::new();
    let mut path = "/api/v1/usage/requests?limit=4".to_owned();
    loop {
        let page = ok(&service, &admin(), &path).await;
        let rows = page["data"].as_array().unwrap();
        seen.extend(rows.iter().map(|row| (row["time"].to_string(), row["id"].to_string())));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        assert_eq!(rows.len(), 4);
        path = format!("/api/v1/usage/requests?limit=4&cursor={cursor}");
    }
    assert_eq!(seen.len(), 25);
    assert!(seen.windows(2).all(|pair| pair[0] > pair[1]), "newest first, none twice: {seen:?}");
    let limited = ok(&service, &admin(), "/api/v1/usage/requests?from=2026-11-20T00:00:00Z&outcome=success").await;
    let same_day = seen.iter().filter(|(time, _)| time.starts_with("\"2026-11-20")).count();
    assert_eq!(limited["data"].as_array().unwrap().len(), same_day);
}

async fn a_key_shows_its_first_and_last_use(engine: Engine) {
    let (world, service) = World::started(engine).await;
    let earlier = now().minus(Duration::from_secs(3_600));
    world.deliver_events(&source(1), vec![event(1, now())]).await;
    world.deliver_events(&source(1), vec![event(2, earlier)]).await;
    let path = format!("/api/v1/usage/keys/{}", key(1));
    let expected = json!({
        "key_id": key(1), "first_used_at": "2026-11-20T08:37:00.000Z", "last_used_at": "2026-11-20T09:37:00.000Z"
    });
    assert_eq!(ok(&service, &person(1), &path).await, expected);
    assert_eq!(get(&service, &person(2), &path).await.0, 404);
    for unknown in [format!("/api/v1/usage/keys/{}", key(7)), "/api/v1/usage/keys/nonsense".to_owned()] {
        assert_eq!(get(&service, &admin(), &unknown).await.0, 404);
    }
}

async fn currencies_are_not_mixed(engine: Engine) {
    let (world, service) = World::started(engine).await;
    let ago = |seconds| now().minus(Duration::from_secs(seconds));
    let euros = UsageEvent { currency: "EUR".to_owned(), cost_nanos: 7_000_000_000, ..event(2, ago(9)) };
    // More together than i64 holds.
    let dear = (3..=12).map(|number| UsageEvent { cost_nanos: 1_000_000_000_000_000, ..event(number, ago(number)) });
    world.deliver_events(&source(1), [euros].into_iter().chain(dear).collect()).await;
    let totals = ok(&service, &admin(), "/api/v1/usage/summary").await["totals"].clone();
    assert_eq!(totals["cost"], json!({"amount": "10000000.000000000", "currency": "USD"}));
    assert_eq!(totals["other_costs"], json!([{"amount": "7.000000000", "currency": "EUR"}]));
    assert_eq!(totals["requests"], 11);
}

async fn bad_input_is_refused(engine: Engine) {
    let (_world, service) = World::started(engine).await;
    for (path, pointer) in [
        ("requests?limit=0", "?limit"),
        ("requests?limit=1001", "?limit"),
        ("requests?limit=ten", "?limit"),
        ("requests?cursor=nonsense", "?cursor"),
        ("requests?outcome=great", "?outcome"),
        ("requests?colour=red", "?colour"),
        ("requests?key_id=key_1", "?key_id"),
        ("requests?from=2026-11-20T09:00:00Z&to=2026-11-20T09:00:00Z", "?from"),
        ("requests?status=6xx", "?status"),
        ("requests?request_id=a%00b", "?request_id"),
        ("requests?stream=maybe", "?stream"),
        ("summary?from=2026-11-20T09:00:00Z&to=2026-11-20T09:00:00Z", "?from"),
        ("summary?from=2026-11-20T09:00:01Z&to=2026-11-20T09:00:00Z", "?from"),
        ("summary?from=2027-01-01T00:00:00Z", "?from"),
        ("summary?from=2025-11-01T00:00:00Z&to=2026-11-20T00:00:00Z", "?from"),
        ("summary?to=yesterday", "?to"),
        ("summary?to=2026-11-20T00:00:00Z&to=2026-11-21T00:00:00Z", "?to"),
        ("summary?model=a%00b", "?model"),
        ("requests?model=a%00b", "?model"),
        ("summary?cost_centre=a%0Ab", "?cost_centre"),
        ("summary?operation=chatting", "?operation"),
        ("summary?currency=dollars", "?currency"),
        ("requests?user_id=key_1", "?user_id"),
        ("summary?group=week", "?group"),
        ("timeseries", "?metric"),
        ("timeseries?metric=happiness", "?metric"),
        ("timeseries?metric=cost&interval=decade", "?interval"),
        ("timeseries?metric=cost&group=colour", "?group"),
        ("timeseries?metric=cost&subgroup=model", "?subgroup"),
        ("timeseries?metric=cost&group=model&subgroup=model", "?subgroup"),
        ("timeseries?metric=cost&top=0", "?top"),
        ("timeseries?metric=cost&top=51", "?top"),
        ("timeseries?metric=cost&time_zone=Mars/Olympus", "?time_zone"),
        ("timeseries?metric=cost&compare=next", "?compare"),
        ("timeseries?metric=cost&interval=minute", "?interval"),
        ("timeseries?metric=cost&from=2025-01-01T00:00:00Z", "?from"),
        ("breakdown", "?group"),
        ("breakdown?group=model&group=model", "?group"),
        ("breakdown?group=model&group=team&group=user", "?group"),
        ("breakdown?group=colour", "?group"),
        ("breakdown?group=model&sort=happiness", "?sort"),
        ("breakdown?group=model&order=up", "?order"),
        ("breakdown?group=model&limit=0", "?limit"),
        ("breakdown?group=model&cursor=nonsense", "?cursor"),
        ("breakdown?group=user&cursor=eyJyYW5rIjp7InVuaXRzIjowLCJhYm92ZSI6MH0sImdyb3VwIjpbIngiXX0", "?cursor"),
        ("filters?dimension=colour", "?dimension"),
        ("filters?prefix=a%00", "?prefix"),
        ("filters?limit=1001", "?limit"),
        ("export?format=xlsx", "?format"),
        ("export?granularity=decade", "?granularity"),
        ("export?group=colour", "?group"),
        ("export?from=2025-01-01T00:00:00Z", "?from"),
        ("chargeback", "?month"),
        ("chargeback?month=2026-13", "?month"),
        ("chargeback?month=2026-11&by=user", "?by"),
        ("chargeback?month=2026-11&format=pdf", "?format"),
    ] {
        let (status, problem) = get(&service, &admin(), &format!("/api/v1/usage/{path}")).await;
        assert_eq!((status, problem["code"].as_str()), (400, Some("invalid_input")), "{path}: {problem}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{path}: {problem}");
    }
}

#[actix_web::test]
async fn the_document_names_every_operation() {
    let document = serde_json::to_value(maas_usage_ingest::openapi()).unwrap();
    let operation = |path: &str| document["paths"][path]["get"]["operationId"].clone();
    for (path, id) in [
        ("summary", "getUsageSummary"),
        ("timeseries", "getUsageTimeseries"),
        ("breakdown", "getUsageBreakdown"),
        ("filters", "getUsageFilters"),
        ("export", "exportUsage"),
        ("chargeback", "getUsageChargeback"),
        ("requests", "listUsageRequests"),
        ("keys/{id}", "getKeyUsage"),
    ] {
        assert_eq!(operation(&format!("/api/v1/usage/{path}")), id);
    }
    let filters = document["paths"]["/api/v1/usage/summary"]["get"]["parameters"].as_array().unwrap();
    let model = filters.iter().find(|parameter| parameter["name"] == "model").unwrap();
    assert_eq!((&model["schema"]["type"], &model["required"]), (&json!("array"), &json!(false)), "{model}");
}
