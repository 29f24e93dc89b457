use std::time::Duration;

use bytes::Bytes;
use maas_bus::Bus as _;
use maas_events::{
    state::{KeyUse, KeyUses},
    topic::KEY_USES_SUBJECT,
};
use maas_testkit::eventually;
use maas_types::{KeyId, Timestamp};
use prost::Message as _;
use serde_json::{Value, json};

use crate::world::{DEADLINE, NOW, Person, World};

on_both_databases! {
    a_use_that_a_proxy_tells_is_shown
    a_use_is_written_once_a_minute
    an_edit_does_not_take_a_use_back
}

fn used(id: &str, at: Timestamp, address: &str) -> KeyUse {
    let id: KeyId = id.parse().unwrap();
    let key_id = Bytes::copy_from_slice(id.uuid().as_bytes());
    KeyUse { key_id, at_ms: at.unix_ms(), address: address.to_owned() }
}

/// Broadcasts are not kept, so the service may not listen yet: told again until it is shown.
async fn tell(world: &World, user: Person, uses: Vec<KeyUse>, shown: impl Fn(&Value) -> bool, id: &str) -> Value {
    let report = KeyUses { uses }.encode_to_vec();
    eventually(DEADLINE, || async {
        world.bus.broadcast(KEY_USES_SUBJECT, report.clone().into()).await.unwrap();
        let key = world.get(user, &format!("/api/v1/keys/{id}")).await.body;
        shown(&key).then_some(key)
    })
    .await
}

async fn a_use_that_a_proxy_tells_is_shown(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    let unused = world.get(user, &format!("/api/v1/keys/{id}")).await;
    assert_eq!((&unused.body["last_used_at"], &unused.body["last_used_address"]), (&Value::Null, &Value::Null));
    let nobodys = used("key_019a9c3b5f0e7c42a1d38b6f0c9e4a57", NOW, "192.0.2.1");
    let uses = vec![nobodys, used(&id, NOW, "192.0.2.7")];
    let key = tell(&world, user, uses, |key| !key["last_used_at"].is_null(), &id).await;
    assert_eq!((&key["last_used_at"], &key["last_used_address"]), (&json!(NOW.to_string()), &json!("192.0.2.7")));
    let etag = world.get(user, &format!("/api/v1/keys/{id}")).await.etag();
    assert_eq!(etag, unused.etag(), "being used is no change of the key");
}

async fn a_use_is_written_once_a_minute(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    let (marker, _) = world.create(user, json!({"name": "marker"})).await;
    tell(&world, user, vec![used(&id, NOW, "192.0.2.1")], |key| !key["last_used_at"].is_null(), &id).await;
    world.clock.advance(Duration::from_secs(59));
    let soon = NOW.plus(Duration::from_secs(59));
    // The marker shows when the report has been dealt with.
    let both = vec![used(&id, soon, "192.0.2.2"), used(&marker, soon, "192.0.2.2")];
    tell(&world, user, both, |key| !key["last_used_at"].is_null(), &marker).await;
    let key = world.get(user, &format!("/api/v1/keys/{id}")).await.body;
    assert_eq!(key["last_used_address"], json!("192.0.2.1"));
    world.clock.advance(Duration::from_secs(1));
    let later = NOW.plus(Duration::from_secs(60));
    let written = |key: &Value| key["last_used_address"] == json!("192.0.2.3");
    let key = tell(&world, user, vec![used(&id, later, "192.0.2.3")], written, &id).await;
    assert_eq!(key["last_used_at"], json!(later.to_string()));
}

async fn an_edit_does_not_take_a_use_back(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    tell(&world, user, vec![used(&id, NOW, "192.0.2.1")], |key| !key["last_used_at"].is_null(), &id).await;
    let edited = world.patch(user, &format!("/api/v1/keys/{id}"), json!({"name": "y"})).await;
    assert_eq!(edited.body["last_used_at"], json!(NOW.to_string()));
    let list = world.get(user, "/api/v1/keys?sort=last_used").await;
    assert_eq!(list.body["data"][0]["last_used_address"], json!("192.0.2.1"));
}
