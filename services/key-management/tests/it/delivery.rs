//! What others hear: state values and audit records, also after the bus was away or lost what it had.

use maas_keys::{ParsedKey, Pepper};
use maas_testkit::eventually;
use maas_types::KeyId;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;

use crate::{
    bus::SwitchedBus,
    world::{DEADLINE, NOW, World, published, start_service},
};

on_both_databases! {
    the_published_state_is_the_key
    a_change_waits_in_the_outbox_while_the_bus_is_away
    what_the_bus_lost_is_published_again
    operations_are_counted_by_outcome
}

async fn outbox_rows(world: &World) -> i64 {
    let backend = world.database.backend();
    let count = Statement::from_string(backend, "SELECT COUNT(*) AS rows_waiting FROM outbox");
    let row = world.database.reader().query_one_raw(count).await.unwrap().unwrap();
    row.try_get::<i64>("", "rows_waiting").unwrap()
}

async fn the_published_state_is_the_key(world: World) {
    let user = world.user();
    let (id, secret) = world.create(user, json!({"name": "bot", "models": ["bge-m3"], "labels": {"a": "1"}})).await;
    let state = world.published(&id, 1).await;
    let key_id: KeyId = id.parse().unwrap();
    assert_eq!(state.id.as_ref(), key_id.uuid().as_bytes());
    assert_eq!(state.owner_id.as_ref(), user.id.uuid().as_bytes());
    assert_eq!((state.public_id.as_str(), state.pepper_version), (&secret[8..24], 1));
    assert_eq!((state.all_models, state.models.as_slice()), (false, ["bge-m3".to_owned()].as_slice()));
    assert_eq!((state.changed_at_ms, state.labels["a"].as_str()), (NOW.unix_ms(), "1"));
    let other_pepper = Pepper::new(1, &[7; 32]).unwrap();
    let mac = other_pepper.mac(&ParsedKey::parse(secret.as_bytes()).unwrap());
    assert_eq!(state.secret_mac.len(), mac.len());
    assert_ne!(state.secret_mac.as_ref(), mac, "the MAC depends on the pepper");
}

async fn a_change_waits_in_the_outbox_while_the_bus_is_away(world: World) {
    let user = world.user();
    world.bus.switch(false);
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    assert_eq!(world.get(user, &format!("/api/v1/keys/{id}")).await.status, 200, "the key is there");
    assert_eq!(outbox_rows(&world).await, 2, "and so are its state and its audit record");

    world.bus.switch(true);
    assert_eq!(world.published(&id, 1).await.version, 1);
    world.audited(&id, "key.create").await;
    eventually(DEADLINE, || async { (outbox_rows(&world).await == 0).then_some(()) }).await;
}

async fn what_the_bus_lost_is_published_again(world: World) {
    let (id, _) = world.create(world.user(), json!({"name": "x"})).await;
    world.published(&id, 1).await;
    eventually(DEADLINE, || async { (outbox_rows(&world).await == 0).then_some(()) }).await;
    // A bus that remembers nothing, as an in-process one after a restart.
    let empty = SwitchedBus::default();
    let (_service, process) = start_service(&world.database, &empty, &world.clock).await;
    assert_eq!(published(&empty, &id, 1).await.name, "x");
    process.lifecycle.stop();
}

async fn operations_are_counted_by_outcome(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    world.post(user, "/api/v1/keys", json!({"name": ""})).await;
    world.act(user, &format!("/api/v1/keys/{id}/revoke")).await;
    let text = world.process.metrics.render().unwrap();
    for line in [
        "maas_keys_operations_total{operation=\"create\",outcome=\"success\"} 1",
        "maas_keys_operations_total{operation=\"create\",outcome=\"refused\"} 1",
        "maas_keys_operations_total{operation=\"revoke\",outcome=\"success\"} 1",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}
