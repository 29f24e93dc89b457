//! What people do about the quarantine: everything is booked at most once, and every decision has a name.

use std::time::Duration;

use actix_web::http::Method;
use maas_events::usage::{EventBatch, UsageEvent, UsageMessage, usage_message::Body};
use maas_usage_ingest::store::{self, retention::raise_raw_floor};
use prost::Message as _;
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, IntoActiveModel as _};
use serde_json::{Value, json};

use crate::{
    api::{admin_id, all_pages, call, get, post},
    producer::{event, heartbeat, raw_message, source},
    world::{Engine, World, now, on_both_databases},
};

on_both_databases! {
    a_late_event_is_booked_once
    what_breaks_a_rule_stays_held
    a_rejected_entry_is_never_booked
    the_future_is_booked_when_it_has_come
    without_raw_events_a_person_has_to_vouch
    a_repeated_number_is_never_backfilled
    an_event_is_backfilled_once_under_any_number
    many_are_replayed_one_by_one
    what_could_not_be_read_is_booked_by_who_can
    a_replay_is_no_sign_of_life
    entries_are_found_by_state_kind_and_source
    only_admins_decide
    bad_input_changes_nothing
}

const DAY: Duration = Duration::from_secs(86_400);

fn late(sequence: u64) -> UsageEvent {
    event(sequence, now().minus(DAY * 36))
}

/// The id of the only entry.
async fn only_entry(world: &World) -> String {
    let entries = world.quarantined().await;
    assert_eq!(entries.len(), 1);
    id_of(&entries[0])
}

fn id_of(entry: &store::quarantine::Model) -> String {
    format!("qua_{}", entry.digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

async fn cost(world: &World) -> i64 {
    let books = world.books().await;
    let ledger: i64 = books.ledger.iter().map(|row| row.cost_nanos).sum();
    assert_eq!(books.rollups.iter().map(|row| row.cost_nanos).sum::<i64>(), ledger);
    ledger
}

async fn a_late_event_is_booked_once(engine: Engine) {
    let (world, service) = World::started(engine).await;
    world.deliver_events(&source(1), vec![late(1)]).await;
    let id = only_entry(&world).await;
    let shown = get(&service, &format!("quarantine/{id}")).await;
    assert_eq!((shown["state"].as_str(), shown["events"][0]["input_tokens"].as_i64()), (Some("held"), Some(100)));

    let reason = json!({"reason": "node was away"});
    for _ in 0..2 {
        let (status, entry) = post(&service, &format!("quarantine/{id}/replay"), reason.clone()).await;
        assert_eq!((status, entry["state"].as_str()), (200, Some("replayed")), "{entry}");
        let decision = json!({
            "time": now(), "user_id": admin_id(), "user_name": "Ada", "reason": "node was away", "booked_as": "event"
        });
        assert_eq!(entry["decision"], decision);
        assert_eq!((world.event_count().await, cost(&world).await), (1, 1_500));
    }
    let audited = world.audit_record().await;
    assert_eq!((audited.action.as_str(), audited.resource_id), ("usage.quarantine.replay", id.clone()));
    // And it is the event that it is: delivered again, it is a duplicate.
    world.deliver_events(&source(1), vec![late(1)]).await;
    let (status, _) = post(&service, &format!("quarantine/{id}/reject"), json!({"reason": "too late"})).await;
    assert_eq!((status, world.event_count().await), (409, 1));
}

async fn what_breaks_a_rule_stays_held(engine: Engine) {
    let (world, service) = World::started(engine).await;
    let first = event(1, now());
    let other = UsageEvent { sequence: 2, status: 500, ..first.clone() };
    let senseless = UsageEvent { operation: "dance".to_owned(), ..event(3, now()) };
    world.deliver_events(&source(1), vec![first, other, senseless]).await;
    world.deliver(raw_message(&source(1), 4, 4, &b"\xff\xff"[..])).await;
    for (entry, why) in world.quarantined().await.iter().zip(["differs from what is booked", "dance", "cannot read it"])
    {
        let (status, problem) = post(&service, &format!("quarantine/{}/replay", id_of(entry)), json!({})).await;
        assert_eq!((status, problem["code"].as_str()), (409, Some("conflict")), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
    }
    assert!(world.quarantined().await.iter().all(|entry| entry.state == "held"));
    assert_eq!((world.event_count().await, cost(&world).await), (1, 1_500));
}

async fn a_rejected_entry_is_never_booked(engine: Engine) {
    let (world, service) = World::started(engine).await;
    world.deliver_events(&source(1), vec![late(1)]).await;
    let id = only_entry(&world).await;
    let (status, entry) = post(&service, &format!("quarantine/{id}/reject"), json!({"reason": "a load test"})).await;
    assert_eq!(
        (status, entry["state"].as_str(), entry["decision"]["booked_as"].clone()),
        (200, Some("rejected"), Value::Null)
    );
    // The first decision stays.
    let (_, again) = post(&service, &format!("quarantine/{id}/reject"), json!({"reason": "something else"})).await;
    assert_eq!(again["decision"]["reason"], "a load test");
    let (status, _) = post(&service, &format!("quarantine/{id}/replay"), json!({})).await;
    assert_eq!((status, world.event_count().await), (409, 0));
    let audited = world.audit_record().await;
    assert_eq!((audited.action.as_str(), audited.actor_name.as_str()), ("usage.quarantine.reject", "Ada"));
    assert!(audited.after_json.contains("a load test"), "{}", audited.after_json);
}

async fn the_future_is_booked_when_it_has_come(engine: Engine) {
    let (world, service) = World::started(engine).await;
    world.deliver_events(&source(1), vec![event(1, now().plus(DAY))]).await;
    let path = format!("quarantine/{}/replay", only_entry(&world).await);
    let (status, problem) = post(&service, &path, json!({})).await;
    assert_eq!(status, 409);
    assert!(
        problem["detail"].as_str().unwrap().contains("2026-11-21T09:37:00.000Z, which is in the future"),
        "{problem}"
    );
    world.clock.advance(DAY);
    assert_eq!((post(&service, &path, json!({})).await.0, world.event_count().await), (200, 1));
}

async fn without_raw_events_a_person_has_to_vouch(engine: Engine) {
    let (world, service) = World::started(engine).await;
    let lost = late(1);
    world.deliver_events(&source(1), vec![lost.clone()]).await;
    raise_raw_floor(world.database.writer(), 20_770).await.unwrap();

    let path = format!("quarantine/{}/replay", only_entry(&world).await);
    let (status, problem) = post(&service, &path, json!({})).await;
    assert_eq!(status, 409);
    assert!(problem["detail"].as_str().unwrap().contains("beyond_retention: backfill"), "{problem}");
    assert_eq!(cost(&world).await, 0);

    let (status, entry) = post(&service, &path, json!({"beyond_retention": "backfill"})).await;
    assert_eq!((status, entry["decision"]["booked_as"].as_str()), (200, Some("backfill")), "{entry}");
    assert_eq!((world.event_count().await, cost(&world).await), (0, 1_500));
    let listed = get(&service, "corrections?kind=backfill").await;
    assert_eq!(listed["data"][0]["event_id"], entry["event_id"]);
    assert_eq!(
        (listed["data"][0]["requests"].as_i64(), listed["data"][0]["input_tokens"].as_i64()),
        (Some(1), Some(100))
    );
}

/// The event was booked in time; after its day is dropped, an old journal is shipped once more.
async fn a_repeated_number_is_never_backfilled(engine: Engine) {
    let (world, service) = World::started(engine).await;
    let booked = event(1, now());
    world.deliver_events(&source(1), vec![booked.clone()]).await;
    world.clock.advance(DAY * 60);
    raise_raw_floor(world.database.writer(), 20_800).await.unwrap();
    world.deliver_events(&source(1), vec![booked]).await;
    let id = only_entry(&world).await;
    assert_eq!(get(&service, &format!("quarantine/{id}")).await["repeated"], true);
    let backfill = json!({"beyond_retention": "backfill"});
    let (status, problem) = post(&service, &format!("quarantine/{id}/replay"), backfill).await;
    assert_eq!((status, cost(&world).await), (409, 1_500), "{problem}");
}

async fn an_event_is_backfilled_once_under_any_number(engine: Engine) {
    let (world, service) = World::started(engine).await;
    raise_raw_floor(world.database.writer(), 20_770).await.unwrap();
    let lost = late(1);
    let again = UsageEvent { sequence: 9, ..lost.clone() };
    world.deliver_events(&source(1), vec![lost]).await;
    world.deliver_events(&source(5), vec![again]).await;
    let mut booked = Vec::new();
    for entry in world.quarantined().await {
        let path = format!("quarantine/{}/replay", id_of(&entry));
        let (_, entry) = post(&service, &path, json!({"beyond_retention": "backfill"})).await;
        booked.push(entry["decision"]["booked_as"].as_str().unwrap().to_owned());
    }
    assert_eq!((booked, cost(&world).await), (vec!["backfill".to_owned(), "duplicate".to_owned()], 1_500));
}

async fn many_are_replayed_one_by_one(engine: Engine) {
    let (world, service) = World::started(engine).await;
    let mut list: Vec<_> = (1..=5).map(late).collect();
    list.push(event(6, now().plus(DAY)));
    world.deliver_events(&source(1), list).await;
    let body = |dry_run: bool| json!({"kind": "outside_window", "dry_run": dry_run, "limit": 4});
    let (status, would) = post(&service, "quarantine/replay", body(true)).await;
    assert_eq!((status, would["data"].as_array().unwrap().len()), (200, 4));
    assert_eq!((world.event_count().await, cost(&world).await), (0, 0), "a dry run changes nothing");

    let mut replayed = 0;
    let mut cursor = Value::Null;
    for _ in 0..2 {
        let mut page = body(false);
        page["cursor"] = cursor;
        let (_, done) = post(&service, "quarantine/replay", page).await;
        replayed += done["replayed"].as_i64().unwrap();
        cursor = done["next_cursor"].clone();
    }
    assert_eq!((replayed, cursor), (5, Value::Null));
    assert_eq!((world.event_count().await, cost(&world).await), (5, 7_500));
    let held = get(&service, "quarantine?state=held").await;
    assert_eq!(held["data"].as_array().unwrap().len(), 1);
}

/// A newer version reads what an older one could not; its headers had not named the numbers either.
async fn what_could_not_be_read_is_booked_by_who_can(engine: Engine) {
    let (world, service) = World::started(engine).await;
    world.deliver(heartbeat(&source(1), 2, None, now())).await;
    world.deliver(raw_message(&source(1), 0, 0, &b"\xff\xff"[..])).await;
    let entry = world.quarantined().await.remove(0);
    let batch = EventBatch { events: vec![event(1, now()), event(2, now())] };
    let message = UsageMessage { source: source(1), body: Some(Body::Events(batch)) };
    let id = id_of(&entry);
    let mut row = entry.into_active_model();
    row.payload = Set(message.encode_to_vec());
    row.update(world.database.writer()).await.unwrap();

    let (status, entry) = post(&service, &format!("quarantine/{id}/replay"), json!({})).await;
    assert_eq!((status, entry["decision"]["booked_as"].as_str()), (200, Some("event")), "{entry}");
    assert_eq!((world.event_count().await, cost(&world).await), (2, 3_000));
    assert_eq!(world.watermark(&source(1)).await.unwrap().committed_through, 2);
}

async fn a_replay_is_no_sign_of_life(engine: Engine) {
    let (world, service) = World::started(engine).await;
    world.deliver_events(&source(1), vec![late(1)]).await;
    world.clock.advance(DAY);
    let before = get(&service, "reconciliation?state=lost").await["data"].clone();
    let path = format!("quarantine/{}/replay", only_entry(&world).await);
    assert_eq!(post(&service, &path, json!({})).await.0, 200);
    assert_eq!(get(&service, "reconciliation?state=lost").await["data"], before);
    assert_eq!(before.as_array().unwrap().len(), 1);
}

async fn entries_are_found_by_state_kind_and_source(engine: Engine) {
    let (world, service) = World::started(engine).await;
    let senseless = UsageEvent { operation: "dance".to_owned(), ..event(3, now()) };
    world.deliver_events(&source(1), vec![late(1), late(2), senseless]).await;
    world.clock.advance(DAY);
    world.deliver_events(&source(5), vec![late(1)]).await;
    let rows = all_pages(&service, "quarantine?").await;
    assert_eq!((rows.len(), rows[0]["source"].as_str()), (4, Some(source(5).as_str())), "newest first");
    assert_eq!(all_pages(&service, "quarantine?kind=outside_window&").await.len(), 3);
    assert_eq!(all_pages(&service, &format!("quarantine?source={}&", source(1))).await.len(), 3);
    assert_eq!(all_pages(&service, "quarantine?state=rejected&").await.len(), 0);
}

async fn only_admins_decide(engine: Engine) {
    let (world, service) = World::started(engine).await;
    world.deliver_events(&source(1), vec![late(1)]).await;
    let id = only_entry(&world).await;
    let reads =
        [format!("quarantine/{id}"), "quarantine".to_owned(), "reconciliation".to_owned(), "corrections".to_owned()];
    for path in &reads {
        assert_eq!(call(&service, "user", Method::GET, path, None, "").await.0, 403, "{path}");
    }
    let writes = [
        format!("quarantine/{id}/replay"),
        format!("quarantine/{id}/reject"),
        "quarantine/replay".to_owned(),
        "corrections".to_owned(),
    ];
    for path in &writes {
        for role in ["user", "admin-readonly"] {
            let (status, _) = call(&service, role, Method::POST, path, Some(json!({"reason": "x"})), "").await;
            assert_eq!(status, 403, "{path} as {role}");
        }
    }
    assert_eq!(world.quarantined().await[0].state, "held");
}

async fn bad_input_changes_nothing(engine: Engine) {
    let (world, service) = World::started(engine).await;
    world.deliver_events(&source(1), vec![late(1)]).await;
    let id = only_entry(&world).await;
    for (path, body, status) in [
        (format!("quarantine/{id}/reject"), json!({"reason": " "}), 400),
        (format!("quarantine/{id}/reject"), json!({}), 400),
        (format!("quarantine/{id}/reject"), json!({"reason": "a\nb"}), 400),
        (format!("quarantine/{id}/replay"), json!({"beyond_retention": "always"}), 400),
        (format!("quarantine/{id}/replay"), json!({"force": true}), 400),
        (format!("quarantine/{}/replay", id.replace("qua_", "qua_0")), json!({}), 404),
        (format!("quarantine/qua_{}/replay", "0".repeat(64)), json!({}), 404),
        ("quarantine/replay".to_owned(), json!({"kind": "odd"}), 400),
        ("quarantine/replay".to_owned(), json!({"kind": "conflict", "limit": 0}), 400),
    ] {
        assert_eq!(post(&service, &path, body.clone()).await.0, status, "{path} {body}");
    }
    for path in ["quarantine?state=odd", "quarantine?kind=odd", "quarantine?source=a%00b", "quarantine?cursor=odd"] {
        assert_eq!(call(&service, "admin", Method::GET, path, None, "").await.0, 400, "{path}");
    }
    assert_eq!((world.quarantined().await[0].state.as_str(), world.event_count().await), ("held", 0));
}
