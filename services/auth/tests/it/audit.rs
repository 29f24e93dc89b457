use bytes::Bytes;
use maas_events::{Delivery, audit::AuditRecord, topic::AUDIT_SUBJECT};
use maas_testkit::eventually;
use maas_types::{AuditId, Timestamp};
use prost::Message as _;
use serde_json::{Value, json};

use crate::world::{PATIENCE, World, on_both_databases};

on_both_databases! {
    records_of_other_services_are_stored_once,
    malformed_records_do_not_stop_the_book,
    entries_are_paged_and_filtered,
    sign_ins_and_refusals_are_written_down_without_secrets,
    bad_filters_are_refused,
}

fn record(n: u32) -> AuditRecord {
    let at = Timestamp::from_unix_ms(1_762_000_000_000 + i64::from(n));
    AuditRecord {
        id: Bytes::copy_from_slice(AuditId::new_at(at).uuid().as_bytes()),
        time_ms: at.unix_ms(),
        service: "key-management".to_owned(),
        actor_kind: "user".to_owned(),
        actor_id: Bytes::copy_from_slice(uuid::Uuid::from_u128(7).as_bytes()),
        actor_name: "Zoë".to_owned(),
        action: "key.revoke".to_owned(),
        resource_kind: "key".to_owned(),
        resource_id: format!("key_{n}"),
        outcome: if n == 0 { "denied" } else { "success" }.to_owned(),
        before_json: r#"{"status":"active"}"#.to_owned(),
        ..AuditRecord::default()
    }
}

async fn deliver(world: &World, payload: Vec<u8>) {
    let delivery = Delivery::Message {
        subject: AUDIT_SUBJECT.to_owned(),
        id: uuid::Uuid::new_v4().simple().to_string(),
        headers: Vec::new(),
        payload: payload.into(),
    };
    world.bus.deliver(delivery).await.unwrap();
}

async fn entries(world: &World, query: &str) -> Value {
    world.get(&format!("/api/v1/audit?{query}"), &world.admin().await).await.body
}

fn resources(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|entry| entry["resource_id"].as_str().unwrap()).collect()
}

async fn records_of_other_services_are_stored_once(world: World) {
    let payload = record(1).encode_to_vec();
    deliver(&world, payload.clone()).await;
    deliver(&world, payload).await;
    let page = entries(&world, "action=key.revoke").await;
    assert_eq!(resources(&page), ["key_1"]);
    let entry = &page["data"][0];
    assert_eq!((&entry["before"], &entry["after"]), (&json!({"status": "active"}), &json!(null)));
    assert_eq!(entry["actor_id"], "usr_00000000000000000000000000000007");
}

async fn malformed_records_do_not_stop_the_book(world: World) {
    deliver(&world, b"\xff\xff\xff".to_vec()).await;
    deliver(&world, AuditRecord { outcome: "perhaps".to_owned(), ..record(1) }.encode_to_vec()).await;
    deliver(&world, record(2).encode_to_vec()).await;
    assert_eq!(resources(&entries(&world, "action=key.revoke").await), ["key_2"]);
}

async fn entries_are_paged_and_filtered(world: World) {
    for n in 0..5 {
        deliver(&world, record(n).encode_to_vec()).await;
    }
    let first = entries(&world, "resource_kind=key&limit=3").await;
    assert_eq!(resources(&first), ["key_4", "key_3", "key_2"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = entries(&world, &format!("resource_kind=key&limit=3&cursor={cursor}")).await;
    assert_eq!((resources(&second), &second["next_cursor"]), (vec!["key_1", "key_0"], &json!(null)));

    let time = |n: i64| Timestamp::from_unix_ms(1_762_000_000_000 + n).to_string();
    for (query, expected) in [
        ("resource_id=key_3".to_owned(), vec!["key_3"]),
        ("resource_kind=key&outcome=denied".to_owned(), vec!["key_0"]),
        (format!("from={}&to={}", time(1), time(3)), vec!["key_2", "key_1"]),
        ("actor_id=usr_00000000000000000000000000000007&limit=1".to_owned(), vec!["key_4"]),
        ("q=KEY_4".to_owned(), vec!["key_4"]),
        ("q=key_%25".to_owned(), vec![]),
    ] {
        assert_eq!(resources(&entries(&world, &query).await), expected, "{query}");
    }
}

async fn sign_ins_and_refusals_are_written_down_without_secrets(world: World) {
    world.sign_in("admin", "a wrong password").await;
    world.sign_in("my password by mistake", "x").await;
    world.sign_in("admin", &world.one_time_password()).await;
    let page = eventually(PATIENCE, || async {
        let page = entries(&world, "action=session.create").await;
        (page["data"].as_array().unwrap().len() == 3).then_some(page)
    })
    .await;
    let mut outcomes: Vec<_> =
        page["data"].as_array().unwrap().iter().map(|e| e["outcome"].as_str().unwrap()).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["denied", "denied", "success"]);
    assert!(page["data"].as_array().unwrap().iter().all(|entry| entry["address"] == "192.0.2.17"));
    let everything = entries(&world, "limit=1000").await.to_string();
    for secret in ["my password by mistake", "a wrong password", &world.one_time_password(), "argon2"] {
        assert!(!everything.contains(secret), "{secret}");
    }
}

async fn bad_filters_are_refused(world: World) {
    let long = format!("q={}", "x".repeat(256));
    for (query, pointer) in [
        ("limit=0", "?limit"),
        ("cursor=%25", "?cursor"),
        ("outcome=perhaps", "?outcome"),
        ("from=yesterday", "?from"),
        ("from=2026-11-20T10:00:00Z&to=2026-11-20T10:00:00Z", "?from"),
        ("actor_id=key_1", "?actor_id"),
        (long.as_str(), "?q"),
        ("q=a%00b", "?q"),
        ("action=%00", "?action"),
    ] {
        let refused = world.get(&format!("/api/v1/audit?{query}"), &world.admin().await).await;
        assert_eq!((refused.status.as_u16(), refused.pointer()), (400, pointer), "{query}: {}", refused.body);
    }
}
