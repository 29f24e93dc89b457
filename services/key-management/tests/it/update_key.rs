use std::time::Duration;

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use crate::world::{Answer, NOW, Person, World};

on_both_databases! {
    an_edit_changes_what_it_names
    of_two_edits_of_one_version_one_is_refused
    edits_without_if_match_all_succeed
    null_means_all_models_and_nothing_else
    an_edit_that_changes_nothing_keeps_the_version
    faulty_edits_change_nothing
    a_life_is_shortened_and_extended_within_the_maximum
}

async fn a_life_is_shortened_and_extended_within_the_maximum(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x", "expires_in": "30d"})).await;
    let path = format!("/api/v1/keys/{id}");
    let (hour, year) = (Duration::from_secs(3_600), Duration::from_secs(365 * 86_400));
    let shortened = world.patch(user, &path, json!({"expires_at": NOW.plus(hour).to_string()})).await;
    assert_eq!(shortened.body["expires_at"], json!(NOW.plus(hour).to_string()), "{}", shortened.body);
    assert_eq!(world.published(&id, 2).await.expires_at_ms, NOW.plus(hour).unix_ms());
    world.clock.advance(hour);
    assert_eq!(world.get(user, &path).await.body["status"], json!("expired"));
    let extended = world.patch(user, &path, json!({"expires_in": "365d"})).await;
    assert_eq!(extended.body["expires_at"], json!(NOW.plus(hour).plus(year).to_string()));
    assert_eq!(extended.body["status"], json!("active"));
    for (edit, code) in [
        (json!({"expires_in": "366d"}), "too_late"),
        (json!({"expires_in": "never"}), "never_not_allowed"),
        (json!({"expires_at": NOW.to_string()}), "in_the_past"),
        (json!({"expires_in": null}), "invalid_value"),
    ] {
        assert_eq!(world.patch(user, &path, edit.clone()).await.faults()[0].1, code, "{edit}");
    }
}

async fn patch_if(world: &World, user: Person, path: &str, etag: &str, body: Value) -> Answer {
    let request = TestRequest::patch().uri(path).insert_header(("if-match", etag));
    world.call(user.signs(request).set_json(body)).await
}

async fn an_edit_changes_what_it_names(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x", "labels": {"a": "1"}})).await;
    let path = format!("/api/v1/keys/{id}");
    let edit = json!({"name": "y", "models": ["llama"], "labels": {"b": "2"}});
    let answer = patch_if(&world, user, &path, "\"1\"", edit).await;
    assert_eq!((answer.status.as_u16(), answer.etag().as_str()), (200, "\"2\""), "{}", answer.body);
    assert_eq!((&answer.body["name"], &answer.body["labels"]), (&json!("y"), &json!({"b": "2"})));
    assert_eq!(answer.body["models"], json!(["meta/llama"]));
    let state = world.published(&id, 2).await;
    assert_eq!((state.name.as_str(), state.all_models, state.models.len()), ("y", false, 1));
}

async fn of_two_edits_of_one_version_one_is_refused(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    let path = format!("/api/v1/keys/{id}");
    let (one, other) = tokio::join!(
        patch_if(&world, user, &path, "\"1\"", json!({"name": "one"})),
        patch_if(&world, user, &path, "\"1\"", json!({"name": "other"})),
    );
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412], "{} {}", one.body, other.body);
    let winner = if one.status == 200 { "one" } else { "other" };
    let key = world.get(user, &path).await;
    assert_eq!((&key.body["name"], key.etag().as_str()), (&json!(winner), "\"2\""));
}

async fn edits_without_if_match_all_succeed(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    let path = format!("/api/v1/keys/{id}");
    let (one, two, three) = tokio::join!(
        world.patch(user, &path, json!({"name": "one"})),
        world.patch(user, &path, json!({"description": "two"})),
        world.patch(user, &path, json!({"labels": {"n": "3"}})),
    );
    assert_eq!([one.status, two.status, three.status].map(|status| status.as_u16()), [200; 3]);
    let key = world.get(user, &path).await;
    assert_eq!((&key.body["name"], &key.body["description"]), (&json!("one"), &json!("two")));
    assert_eq!(key.etag(), "\"4\"");
}

async fn null_means_all_models_and_nothing_else(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x", "models": ["bge-m3"]})).await;
    let path = format!("/api/v1/keys/{id}");
    let answer = world.patch(user, &path, json!({"models": null})).await;
    assert_eq!((answer.status.as_u16(), &answer.body["models"]), (200, &Value::Null));
    assert!(world.published(&id, 2).await.all_models);
    for field in ["name", "description", "labels"] {
        let refused = world.patch(user, &path, json!({field: null})).await;
        assert_eq!(refused.faults(), [(format!("/{field}"), "invalid_value".to_owned())]);
    }
}

async fn an_edit_that_changes_nothing_keeps_the_version(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    let path = format!("/api/v1/keys/{id}");
    for body in [json!({}), json!({"name": "x"})] {
        assert_eq!(world.patch(user, &path, body).await.etag(), "\"1\"");
    }
}

async fn faulty_edits_change_nothing(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    let path = format!("/api/v1/keys/{id}");
    for (body, pointer, code) in [
        (json!({"models": []}), "/models", "empty"),
        (json!({"models": ["no-such"]}), "/models/0", "unknown_model"),
        (json!({"name": "x".repeat(256)}), "/name", "too_long"),
        (json!({"owner_id": user.id}), "/owner_id", "unknown_field"),
        (json!({"status": "revoked"}), "/status", "unknown_field"),
    ] {
        let answer = world.patch(user, &path, body).await;
        assert_eq!(answer.faults(), [(pointer.to_owned(), code.to_owned())]);
    }
    assert_eq!(patch_if(&world, user, &path, "1", json!({"name": "y"})).await.status, 400);
    assert_eq!(world.get(user, &path).await.etag(), "\"1\"");
}
