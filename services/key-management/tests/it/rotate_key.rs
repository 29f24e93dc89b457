use std::time::Duration;

use actix_web::test::TestRequest;
use maas_types::Role;
use serde_json::{Value, json};

use crate::world::{Answer, NOW, Person, World};

on_both_databases! {
    a_rotation_keeps_the_key_and_changes_its_secret
    both_secrets_are_published_until_the_overlap_ends
    without_an_overlap_the_secret_before_ends_at_once
    a_second_rotation_ends_the_older_secret_at_once
    a_rotation_is_finished_or_taken_back_early
    a_rotation_is_carried_out_once
    keys_that_do_not_work_any_more_are_not_rotated
    the_overlap_has_a_maximum
    a_rotation_is_audited_without_secrets
    only_those_who_manage_a_key_rotate_it
}

const DAY: Duration = Duration::from_secs(86_400);

async fn rotate(world: &World, user: Person, id: &str, body: Value) -> Answer {
    world.post(user, &format!("/api/v1/keys/{id}/rotate"), body).await
}

async fn a_rotation_keeps_the_key_and_changes_its_secret(world: World) {
    let user = world.user();
    let (id, secret) = world.create(user, json!({"name": "x", "labels": {"a": "1"}})).await;
    let rotated = world.act(user, &format!("/api/v1/keys/{id}/rotate")).await;
    assert_eq!((rotated.status.as_u16(), rotated.etag().as_str()), (200, "\"2\""), "{}", rotated.body);
    assert_eq!(rotated.headers.get("cache-control").unwrap(), "no-store");
    let (key, new_secret) = (&rotated.body["key"], rotated.body["secret"].as_str().unwrap());
    assert_eq!((&key["id"], &key["labels"], &key["status"]), (&json!(id), &json!({"a": "1"}), &json!("rotating")));
    assert_eq!(key["previous_secret_until"], json!(NOW.plus(DAY).to_string()), "a day when nobody says");
    assert_eq!((&new_secret[..25], new_secret != secret), (&secret[..25], true));
    assert_eq!(rotated.body["confirmation"]["pending"], json!([]), "the proxies know the new secret");
    world.clock.advance(DAY);
    let later = world.get(user, &format!("/api/v1/keys/{id}")).await.body;
    assert_eq!((&later["status"], &later["previous_secret_until"]), (&json!("active"), &Value::Null));
}

async fn both_secrets_are_published_until_the_overlap_ends(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    let before = world.published(&id, 1).await;
    rotate(&world, user, &id, json!({"overlap": "2h"})).await;
    let after = world.published(&id, 2).await;
    assert_eq!(after.previous_secret_mac, before.secret_mac);
    assert_ne!(after.secret_mac, before.secret_mac);
    assert_eq!((after.previous_pepper_version, after.public_id), (before.pepper_version, before.public_id));
    assert_eq!(after.previous_valid_until_ms, NOW.plus(DAY / 12).unix_ms());
}

async fn without_an_overlap_the_secret_before_ends_at_once(world: World) {
    let user = world.user();
    for overlap in ["0", "0s"] {
        let (id, _) = world.create(user, json!({"name": "x"})).await;
        let rotated = rotate(&world, user, &id, json!({"overlap": overlap})).await;
        assert_eq!(rotated.body["key"]["status"], json!("active"));
        assert!(world.published(&id, 2).await.previous_secret_mac.is_empty());
    }
}

async fn a_second_rotation_ends_the_older_secret_at_once(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    rotate(&world, user, &id, json!({})).await;
    let first = world.published(&id, 2).await;
    rotate(&world, user, &id, json!({})).await;
    let state = world.published(&id, 3).await;
    assert_eq!(state.previous_secret_mac, first.secret_mac);
    assert_ne!(state.secret_mac, first.previous_secret_mac);
}

async fn a_rotation_is_finished_or_taken_back_early(world: World) {
    let user = world.user();
    for end in ["finish", "cancel"] {
        let (id, _) = world.create(user, json!({"name": "x"})).await;
        let path = format!("/api/v1/keys/{id}/rotation/{end}");
        assert_eq!(world.act(user, &path).await.status, 409, "there is none yet");
        rotate(&world, user, &id, json!({})).await;
        let rotating = world.published(&id, 2).await;
        let ended = world.act(user, &path).await;
        assert_eq!((&ended.body["status"], ended.etag().as_str()), (&json!("active"), "\"3\""), "{}", ended.body);
        assert!(ended.body["revocation"].is_object(), "{}", ended.body);
        let state = world.published(&id, 3).await;
        let kept = if end == "finish" { rotating.secret_mac } else { rotating.previous_secret_mac };
        assert_eq!((state.secret_mac, state.previous_secret_mac.len()), (kept, 0));
        assert_eq!(world.act(user, &path).await.status, 409, "it is over");
    }
}

async fn a_rotation_is_carried_out_once(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    let request = |header: (&'static str, &'static str)| {
        user.signs(TestRequest::post().uri(&format!("/api/v1/keys/{id}/rotate")).insert_header(header))
    };
    let (one, other) = tokio::join!(
        world.call(request(("idempotency-key", "again"))),
        world.call(request(("idempotency-key", "again")))
    );
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{} {}", one.body, other.body);
    let replayed = world.call(request(("idempotency-key", "again"))).await;
    assert_eq!(replayed.body["code"], json!("idempotency_replayed"));
    assert_eq!(world.call(request(("if-match", "\"1\""))).await.status, 412);
    assert_eq!(world.call(request(("if-match", "\"2\""))).await.etag(), "\"3\"");
}

async fn keys_that_do_not_work_any_more_are_not_rotated(world: World) {
    let user = world.user();
    let (revoked, _) = world.create(user, json!({"name": "x"})).await;
    world.act(user, &format!("/api/v1/keys/{revoked}/revoke")).await;
    let (expired, _) = world.create(user, json!({"name": "x", "expires_in": "1h"})).await;
    let (blocked, _) = world.create(user, json!({"name": "x"})).await;
    world.act(user, &format!("/api/v1/keys/{blocked}/block")).await;
    world.clock.advance(Duration::from_secs(3_600));
    assert_eq!(rotate(&world, user, &revoked, json!({})).await.status, 409);
    assert_eq!(rotate(&world, user, &expired, json!({})).await.status, 409);
    let still_blocked = rotate(&world, user, &blocked, json!({})).await;
    assert_eq!((still_blocked.status.as_u16(), &still_blocked.body["key"]["status"]), (200, &json!("blocked")));
}

async fn the_overlap_has_a_maximum(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    for (overlap, code) in [("31d", "too_long"), ("soon", "invalid_value"), ("-1h", "invalid_value")] {
        let refused = rotate(&world, user, &id, json!({"overlap": overlap})).await;
        assert_eq!(refused.faults(), [("/overlap".to_owned(), code.to_owned())], "{overlap}");
    }
    assert_eq!(rotate(&world, user, &id, json!({"overlap": "30d"})).await.status, 200);
}

async fn a_rotation_is_audited_without_secrets(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    let secret = rotate(&world, user, &id, json!({})).await.body["secret"].as_str().unwrap().to_owned();
    let audit = world.audited(&id, "key.rotate").await;
    assert!(!format!("{audit:?}").contains(&secret[25..]));
    let after: Value = serde_json::from_str(&audit.after_json).unwrap();
    assert_eq!(after["previous_secret_until"], json!(NOW.plus(DAY).to_string()));
}

async fn only_those_who_manage_a_key_rotate_it(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    for stranger in [world.user(), world.person(Role::AdminReadonly)] {
        assert_eq!(rotate(&world, stranger, &id, json!({})).await.status, 404);
        for end in ["finish", "cancel"] {
            assert_eq!(world.act(stranger, &format!("/api/v1/keys/{id}/rotation/{end}")).await.status, 404);
        }
    }
    assert_eq!(rotate(&world, world.admin(), &id, json!({})).await.status, 200);
}
