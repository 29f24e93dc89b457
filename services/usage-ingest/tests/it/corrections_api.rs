//! Corrections and backfills by people: signed rows, booked once, with reason and actor.

use std::time::Duration;

use actix_web::http::Method;
use maas_events::usage::{Quality, Tokens, UsageEvent};
use maas_usage_ingest::{UsageIngest, store::retention::raise_raw_floor};
use serde_json::{Value, json};

use crate::{
    api::{admin_id, all_pages, call, get, post},
    producer::{event, key, source, user},
    world::{Engine, World, now, on_both_databases},
};

on_both_databases! {
    a_correction_of_an_event_changes_every_sum_once
    the_same_key_with_another_content_is_refused
    a_backfill_books_usage_without_an_event
    no_more_is_taken_away_than_is_booked
    a_correction_follows_the_event_to_its_better_counts
    events_that_are_gone_or_unknown_are_named
    corrections_are_found
    bad_corrections_are_refused
}

async fn send(service: &UsageIngest, idempotency_key: &str, body: Value) -> (u16, Value) {
    call(service, "admin", Method::POST, "corrections", Some(body), idempotency_key).await
}

async fn first_event(service: &UsageIngest) -> Value {
    get(service, "requests").await["data"][0]["id"].clone()
}

async fn totals(service: &UsageIngest) -> (i64, i64, String) {
    let totals = get(service, "summary?to=2026-11-20T09:45:00Z").await["totals"].clone();
    let cost = totals["cost"]["amount"].as_str().unwrap().to_owned();
    (totals["requests"].as_i64().unwrap(), totals["output_tokens"].as_i64().unwrap(), cost)
}

async fn a_correction_of_an_event_changes_every_sum_once(engine: Engine) {
    let (world, service) = World::started(engine).await;
    world.deliver_events(&source(1), vec![event(1, now())]).await;
    let body = json!({
        "event_id": first_event(&service).await, "reason": "the upstream reported too much", "output_tokens": -4,
        "cost": {"amount": "-0.000000500", "currency": "USD"}
    });
    let (status, booked) = send(&service, "ticket-1", body.clone()).await;
    assert_eq!((status, booked["kind"].as_str(), booked["actor_id"].clone()), (201, Some("manual"), json!(admin_id())));
    assert_eq!((booked["user_id"].clone(), booked["key_id"].clone()), (json!(user(1)), json!(key(1))));
    assert_eq!((booked["time"].clone(), booked["model"].as_str()), (json!(now()), Some("llama")));
    let (status, again) = send(&service, "ticket-1", body).await;
    assert_eq!((status, again), (200, booked.clone()));
    assert_eq!(totals(&service).await, (1, 6, "0.000001000".to_owned()));
    assert_eq!(get(&service, "reconciliation?day=2026-11-20").await["proofs"][0]["equal"], true);
    let audited = world.audit_record().await;
    assert_eq!(
        (audited.action.as_str(), json!(audited.resource_id)),
        ("usage.correction.create", booked["id"].clone())
    );
    assert!(audited.after_json.contains("\"cost_nanos\":-500"), "{}", audited.after_json);
}

async fn the_same_key_with_another_content_is_refused(engine: Engine) {
    let (world, service) = World::started(engine).await;
    world.deliver_events(&source(1), vec![event(1, now())]).await;
    let event = first_event(&service).await;
    let body = |tokens: i64| json!({"event_id": event, "reason": "agreed", "output_tokens": tokens});
    assert_eq!(send(&service, "ticket-1", body(-1)).await.0, 201);
    assert_eq!(send(&service, "ticket-1", body(-2)).await.0, 409);
    assert_eq!(send(&service, "ticket-2", body(-2)).await.0, 201);
    assert_eq!(totals(&service).await.1, 7);
}

async fn a_backfill_books_usage_without_an_event(engine: Engine) {
    let (world, service) = World::started(engine).await;
    let body = json!({
        "usage": {"time": "2026-11-19T10:00:00Z", "user_id": user(2), "model": "qwen", "operation": "chat", "cost_centre": "CC-1"},
        "reason": "a proxy without a volume", "requests": 3, "output_tokens": 40, "cost": {"amount": "0.25", "currency": "USD"}
    });
    for expected in [201, 200] {
        let (status, booked) = send(&service, "node-7", body.clone()).await;
        assert_eq!(
            (status, booked["kind"].as_str(), booked["event_id"].clone()),
            (expected, Some("backfill"), Value::Null)
        );
    }
    assert_eq!(totals(&service).await, (3, 40, "0.250000000".to_owned()));
    assert_eq!((world.books().await.ledger[0].cost_nanos, world.event_count().await), (250_000_000, 0));
    assert_eq!(get(&service, "reconciliation?day=2026-11-19").await["proofs"][0]["equal"], true);
}

async fn no_more_is_taken_away_than_is_booked(engine: Engine) {
    let (world, service) = World::started(engine).await;
    world.deliver_events(&source(1), vec![event(1, now())]).await;
    let event = first_event(&service).await;
    let body = |tokens: i64| json!({"event_id": event, "reason": "agreed", "output_tokens": tokens});
    assert_eq!(send(&service, "one", body(-8)).await.0, 201);
    let (status, problem) = send(&service, "two", body(-3)).await;
    assert_eq!((status, problem["errors"][0]["pointer"].as_str()), (400, Some("/output_tokens")), "{problem}");
    assert_eq!(send(&service, "three", body(-2)).await.0, 201);
    // What was booked is answered again, although nothing is left of it.
    assert_eq!(send(&service, "one", body(-8)).await.0, 200);
    assert_eq!(totals(&service).await.1, 0);
}

async fn a_correction_follows_the_event_to_its_better_counts(engine: Engine) {
    let (world, service) = World::started(engine).await;
    let estimated =
        UsageEvent { quality: Quality::Estimated.into(), outcome: "interrupted".to_owned(), ..event(1, now()) };
    let tokens = Tokens { input: 100, output: 50, ..Default::default() };
    let exact = UsageEvent {
        sequence: 2,
        quality: Quality::Exact.into(),
        outcome: "success".to_owned(),
        tokens: Some(tokens),
        ..estimated.clone()
    };
    world.deliver_events(&source(1), vec![estimated]).await;
    world.deliver_events(&source(1), vec![exact]).await;
    let body = json!({"event_id": first_event(&service).await, "reason": "agreed", "output_tokens": -50});
    let (status, booked) = send(&service, "one", body).await;
    assert_eq!((status, booked["outcome"].as_str()), (201, Some("success")), "{booked}");
    assert_eq!(totals(&service).await.1, 0);
}

async fn events_that_are_gone_or_unknown_are_named(engine: Engine) {
    let (world, service) = World::started(engine).await;
    world.deliver_events(&source(1), vec![event(1, now())]).await;
    let unknown = maas_types::EventId::new_at(now());
    let body = |event: &Value| json!({"event_id": event, "reason": "agreed", "output_tokens": -1});
    let (status, problem) = send(&service, "one", body(&json!(unknown))).await;
    assert_eq!((status, problem["errors"][0]["code"].as_str()), (400, Some("unknown")), "{problem}");
    raise_raw_floor(world.database.writer(), 30_000).await.unwrap();
    let (status, problem) = send(&service, "one", body(&json!(unknown))).await;
    assert_eq!((status, problem["errors"][0]["code"].as_str()), (400, Some("not_held")), "{problem}");
}

async fn corrections_are_found(engine: Engine) {
    let (world, service) = World::started(engine).await;
    world.deliver_events(&source(1), vec![event(1, now())]).await;
    let event = first_event(&service).await;
    for number in 1..=3 {
        world.clock.advance(Duration::from_secs(60));
        let body = json!({"event_id": event, "reason": format!("number {number}"), "output_tokens": -1});
        assert_eq!(send(&service, &format!("key-{number}"), body).await.0, 201);
    }
    let rows = all_pages(&service, "corrections?").await;
    let reasons: Vec<_> = rows.iter().map(|row| row["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["number 3", "number 2", "number 1"]);
    let count =
        async |query: &str| get(&service, &format!("corrections?{query}")).await["data"].as_array().unwrap().len();
    assert_eq!(count(&format!("event_id={}", event.as_str().unwrap())).await, 3);
    assert_eq!(count(&format!("user_id={}&kind=manual", user(1))).await, 3);
    assert_eq!(count(&format!("user_id={}", user(2))).await, 0);
    assert_eq!(count("from=2026-11-20T09:39:00Z&to=2026-11-20T09:40:00Z").await, 1);
    assert_eq!(count("kind=backfill").await, 0);
}

async fn bad_corrections_are_refused(engine: Engine) {
    let (world, service) = World::started(engine).await;
    world.deliver_events(&source(1), vec![event(1, now())]).await;
    let event = first_event(&service).await;
    let usage = |operation: &str, time: &str| json!({"time": time, "user_id": user(2), "model": "qwen", "operation": operation});
    let past = "2026-11-19T10:00:00Z";
    for (body, pointer) in [
        (json!({"event_id": event, "reason": "agreed"}), ""),
        (json!({"event_id": event, "reason": " ", "requests": 1}), "/reason"),
        (json!({"event_id": event, "reason": "x".repeat(501), "requests": 1}), "/reason"),
        (json!({"reason": "agreed", "requests": 1}), "/event_id"),
        (json!({"event_id": event, "usage": usage("chat", past), "reason": "agreed", "requests": 1}), "/event_id"),
        (json!({"usage": usage("dance", past), "reason": "agreed", "requests": 1}), "/usage/operation"),
        (json!({"usage": usage("chat", "2027-01-01T00:00:00Z"), "reason": "agreed", "requests": 1}), "/usage/time"),
        (json!({"usage": usage("chat", past), "reason": "agreed", "requests": 2_000_000_000_000_000_i64}), "/requests"),
        (json!({"usage": usage("chat", past), "reason": "agreed", "requests": 1.5}), "/requests"),
        (
            json!({"event_id": event, "reason": "agreed", "cost": {"amount": "0.1", "currency": "EUR"}}),
            "/cost/currency",
        ),
        (json!({"event_id": event, "reason": "agreed", "cost": {"amount": "much", "currency": "USD"}}), "/cost/amount"),
        (json!({"event_id": event, "reason": "agreed", "tokens": 1}), "/tokens"),
        (
            json!({"id": format!("cor_{}", "1".repeat(32)), "event_id": event, "reason": "agreed", "requests": 1}),
            "Idempotency-Key",
        ),
    ] {
        let (status, problem) = send(&service, "one", body.clone()).await;
        assert_eq!((status, problem["errors"][0]["pointer"].as_str()), (400, Some(pointer)), "{body}: {problem}");
    }
    let (status, problem) =
        post(&service, "corrections", json!({"event_id": event, "reason": "agreed", "requests": 1})).await;
    assert_eq!((status, problem["errors"][0]["pointer"].as_str()), (400, Some("Idempotency-Key")), "{problem}");
    assert_eq!(get(&service, "corrections").await["data"], json!([]));
}
