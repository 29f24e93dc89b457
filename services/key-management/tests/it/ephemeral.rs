use std::time::Duration;

use maas_testkit::eventually;
use serde_json::{Value, json};

use crate::world::{DEADLINE, NOW, Person, World, start_service};

on_both_databases! {
    an_ephemeral_key_lives_for_an_hour_at_most
    ended_ephemeral_keys_leave_the_list
    ended_ephemeral_keys_are_forgotten_after_a_day
}

const HOUR: Duration = Duration::from_secs(3_600);

async fn names(world: &World, user: Person, query: &str) -> Vec<String> {
    let list = world.get(user, &format!("/api/v1/keys?sort=name&{query}")).await;
    let rows = list.body["data"].as_array().unwrap();
    rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

async fn an_ephemeral_key_lives_for_an_hour_at_most(world: World) {
    let user = world.user();
    let key = world.post(user, "/api/v1/keys", json!({"name": "x", "ephemeral": true})).await.body["key"].take();
    assert_eq!((&key["expires_at"], &key["ephemeral"]), (&json!(NOW.plus(HOUR).to_string()), &json!(true)));
    for (expires_in, code) in [("61m", "too_late"), ("never", "never_not_allowed")] {
        let body = json!({"name": "x", "ephemeral": true, "expires_in": expires_in});
        let refused = world.post(user, "/api/v1/keys", body).await;
        assert_eq!(refused.faults(), [("/expires_in".to_owned(), code.to_owned())]);
    }
    world.clock.advance(HOUR / 2);
    let path = format!("/api/v1/keys/{}", key["id"].as_str().unwrap());
    assert_eq!(world.patch(user, &path, json!({"expires_in": "31m"})).await.status, 400, "its hour is not extended");
    assert_eq!(world.patch(user, &path, json!({"expires_in": "1m"})).await.status, 200);
}

async fn ended_ephemeral_keys_leave_the_list(world: World) {
    let user = world.user();
    world.create(user, json!({"name": "lasting", "expires_in": "1h"})).await;
    world.create(user, json!({"name": "ended", "ephemeral": true})).await;
    let (revoked, _) = world.create(user, json!({"name": "revoked", "ephemeral": true})).await;
    assert_eq!(names(&world, user, "").await, ["ended", "lasting", "revoked"]);
    world.act(user, &format!("/api/v1/keys/{revoked}/revoke")).await;
    world.clock.advance(HOUR);
    world.create(user, json!({"name": "running", "ephemeral": true})).await;
    assert_eq!(names(&world, user, "").await, ["lasting", "running"]);
    assert_eq!(names(&world, user, "ephemeral=true").await, ["ended", "revoked", "running"]);
    assert_eq!(names(&world, user, "ephemeral=false").await, ["lasting"]);
}

async fn ended_ephemeral_keys_are_forgotten_after_a_day(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "ended", "ephemeral": true, "labels": {"a": "1"}})).await;
    let (lasting, _) = world.create(user, json!({"name": "lasting", "expires_in": "1h"})).await;
    world.clock.advance(HOUR + Duration::from_secs(86_400) + Duration::from_secs(1));
    // A replica that starts looks at once.
    let (_service, process) = start_service(&world.database, &world.bus, &world.clock).await;
    let gone = world.published(&id, 2).await;
    assert!(gone.deleted);
    assert_eq!(world.get(user, &format!("/api/v1/keys/{id}")).await.status, 404);
    assert_eq!(world.get(user, &format!("/api/v1/keys/{lasting}")).await.body["status"], json!("expired"));
    let record = eventually(DEADLINE, || async {
        world.audit.lock().unwrap().iter().find(|record| record.action == "key.forget").cloned()
    });
    let after: Value = serde_json::from_str(&record.await.after_json).unwrap();
    assert_eq!(after, json!({"ended_ephemeral_keys": 1}));
    process.lifecycle.stop();
}
