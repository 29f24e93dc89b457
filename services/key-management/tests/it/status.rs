use std::time::Duration;

use maas_events::state::KeyStatus;
use serde_json::{Value, json};

use crate::world::World;

on_both_databases! {
    a_revoked_key_is_final
    revoking_twice_answers_the_same
    a_revoke_takes_a_reason_or_no_body
    a_key_is_blocked_and_unblocked
    a_key_expires_without_anybody_writing_it
}

async fn a_revoked_key_is_final(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    let path = format!("/api/v1/keys/{id}");
    assert_eq!(world.act(user, &format!("{path}/revoke")).await.status, 200);
    for answer in [
        world.act(user, &format!("{path}/unblock")).await,
        world.act(user, &format!("{path}/block")).await,
        world.patch(user, &path, json!({"name": "y"})).await,
    ] {
        assert_eq!((answer.status.as_u16(), &answer.body["code"]), (409, &json!("conflict")));
    }
    let key = world.get(user, &path).await.body;
    assert_eq!((&key["status"], &key["name"]), (&json!("revoked"), &json!("x")));
}

async fn revoking_twice_answers_the_same(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    let path = format!("/api/v1/keys/{id}/revoke");
    let first = world.act(user, &path).await;
    world.clock.advance(Duration::from_secs(60));
    let second = world.act(user, &path).await;
    assert_eq!((second.status.as_u16(), second.etag(), &second.body), (200, first.etag(), &first.body));
    assert_eq!(world.published(&id, 2).await.status(), KeyStatus::Revoked);
}

async fn a_revoke_takes_a_reason_or_no_body(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    let path = format!("/api/v1/keys/{id}/revoke");
    for (body, pointer) in [(json!({"why": "x"}), "/why"), (json!({"reason": "x".repeat(501)}), "/reason")] {
        let refused = world.post(user, &path, body).await;
        assert_eq!((refused.status.as_u16(), refused.faults()[0].0.as_str()), (400, pointer));
    }
    let answer = world.post(user, &path, json!({"reason": "lost laptop"})).await;
    assert_eq!((&answer.body["status"], &answer.body["revoke_reason"]), (&json!("revoked"), &json!("lost laptop")));
    let audit = world.audited(&id, "key.revoke").await;
    let (before, after): (Value, Value) =
        (serde_json::from_str(&audit.before_json).unwrap(), serde_json::from_str(&audit.after_json).unwrap());
    assert_eq!((&before["status"], &after["status"]), (&json!("active"), &json!("revoked")));
    assert_eq!(after["revoke_reason"], json!("lost laptop"));
    assert_eq!(audit.actor_id.as_ref(), user.id.uuid().as_bytes());
    assert!(!audit.request_id.is_empty());
}

async fn a_key_is_blocked_and_unblocked(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    let path = format!("/api/v1/keys/{id}");
    let blocked = world.act(user, &format!("{path}/block")).await;
    assert_eq!((&blocked.body["status"], blocked.etag().as_str()), (&json!("blocked"), "\"2\""));
    let again = world.act(user, &format!("{path}/block")).await;
    assert_eq!(again.etag(), blocked.etag(), "nothing changed");
    assert_eq!(world.published(&id, 2).await.status(), KeyStatus::Blocked);
    let unblocked = world.act(user, &format!("{path}/unblock")).await;
    assert_eq!((&unblocked.body["status"], unblocked.etag().as_str()), (&json!("active"), "\"3\""));
}

async fn a_key_expires_without_anybody_writing_it(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x", "expires_in": "1h"})).await;
    world.clock.advance(Duration::from_secs(3_600));
    let key = world.get(user, &format!("/api/v1/keys/{id}")).await;
    assert_eq!((&key.body["status"], key.etag().as_str()), (&json!("expired"), "\"1\""));
}
