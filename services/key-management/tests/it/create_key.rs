use std::time::Duration;

use actix_web::test::TestRequest;
use maas_events::state::UserStatus;
use maas_testkit::eventually;
use maas_types::{KeyId, UserId};
use serde_json::{Value, json};

use crate::world::{DEADLINE, NOW, Place, World};

on_both_databases! {
    a_new_key_shows_its_secret_once
    faulty_input_is_refused_and_creates_nothing
    what_is_no_json_object_is_refused
    an_alias_is_kept_as_the_public_name
    the_creator_chooses_the_expiry
    a_replayed_create_names_the_first_key_and_no_secret
    of_two_simultaneous_replays_one_creates
    an_idempotency_key_is_forgotten_after_a_day
    admins_create_for_others
    the_first_key_is_made_once
}

async fn a_new_key_shows_its_secret_once(world: World) {
    let user = world.user();
    let answer = world.post(user, "/api/v1/keys", json!({"name": "bot", "labels": {"stage": "test"}})).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let (key, secret) = (&answer.body["key"], answer.body["secret"].as_str().unwrap());
    let id = key["id"].as_str().unwrap();
    assert_eq!(answer.headers.get("location").unwrap(), &format!("/api/v1/keys/{id}"));
    assert_eq!(answer.headers.get("cache-control").unwrap(), "no-store");
    assert_eq!(answer.etag(), "\"1\"");
    assert_eq!(secret.split('_').next(), key["prefix"].as_str());
    let ninety_days = NOW.plus(Duration::from_secs(90 * 86_400)).to_string();
    assert_eq!((&key["expires_at"], &key["status"]), (&json!(ninety_days), &json!("active")));
    assert_eq!(
        (&key["models"], &key["owner_id"], &key["created_by"]),
        (&Value::Null, &json!(user.id), &json!(user.id))
    );

    let read = world.get(user, &format!("/api/v1/keys/{id}")).await;
    assert_eq!((&read.body, read.etag()), (key, answer.etag()));
    let list = world.get(user, "/api/v1/keys").await;
    let audit = world.audited(id, "key.create").await;
    for shown in [read.body.to_string(), list.body.to_string(), format!("{audit:?}")] {
        assert!(!shown.contains(&secret[30..]), "{shown}");
    }
}

#[actix_web::test]
async fn a_secret_is_written_nowhere() {
    let world = World::on_sqlite().await;
    let (id, secret) = world.create(world.user(), json!({"name": "bot"})).await;
    world.published(&id, 1).await;
    let Place::Sqlite(folder) = &world.place else { panic!("not SQLite") };
    let random_part = &secret.as_bytes()[25..];
    let mut found_public_id = false;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!holds(random_part));
        found_public_id |= holds(&secret.as_bytes()[8..24]);
    }
    assert!(found_public_id, "the search itself works");
}

async fn faulty_input_is_refused_and_creates_nothing(world: World) {
    let user = world.user();
    let long_labels: Value = (0..51).map(|n| (format!("k{n}"), json!("v"))).collect::<serde_json::Map<_, _>>().into();
    let cases = [
        (json!({}), "/", "missing_field"),
        (json!({"name": "x", "colour": "red"}), "/colour", "unknown_field"),
        (json!({"name": 7}), "/name", "invalid_value"),
        (json!({"name": ""}), "/name", "empty"),
        (json!({"name": "x".repeat(256)}), "/name", "too_long"),
        (json!({"name": "a\u{7}b"}), "/name", "control_character"),
        (json!({"name": "x", "description": "x".repeat(2_001)}), "/description", "too_long"),
        (json!({"name": "x", "models": []}), "/models", "empty"),
        (json!({"name": "x", "models": ["bge-m3", "gpt-nothing"]}), "/models/1", "unknown_model"),
        (json!({"name": "x", "labels": long_labels}), "/labels", "too_many"),
        (json!({"name": "x", "expires_in": "soon"}), "/expires_in", "invalid_value"),
        (json!({"name": "x", "expires_in": "366d"}), "/expires_in", "too_late"),
        (json!({"name": "x", "expires_in": "never"}), "/expires_in", "never_not_allowed"),
        (json!({"name": "x", "expires_at": "2020-01-01T00:00:00Z"}), "/expires_at", "in_the_past"),
        (json!({"name": "x", "expires_in": "1h", "expires_at": "2030-01-01T00:00:00Z"}), "/expires_at", "not_together"),
    ];
    for (body, pointer, code) in cases {
        let answer = world.post(user, "/api/v1/keys", body.clone()).await;
        assert_eq!((answer.status.as_u16(), &answer.body["code"]), (400, &json!("invalid_input")), "{body}");
        let faults = answer.faults();
        assert_eq!(faults.len(), 1, "{body}: {faults:?}");
        assert!(code == "missing_field" || faults[0].0 == pointer, "{body}: {faults:?}");
        assert_eq!(faults[0].1, code, "{body}");
    }
    let several = json!({"name": "", "models": ["no"], "labels": {"a b": "v"}});
    assert_eq!(world.post(user, "/api/v1/keys", several).await.faults().len(), 3);
    assert_eq!(world.get(user, "/api/v1/keys").await.body["data"], json!([]));
}

async fn what_is_no_json_object_is_refused(world: World) {
    let user = world.user();
    let send = |kind: &'static str, body: String| {
        let request = TestRequest::post().uri("/api/v1/keys").insert_header(("content-type", kind));
        world.call(user.signs(request).set_payload(body))
    };
    let nested = format!("{{\"name\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    assert_eq!(send("text/plain", "{\"name\":\"x\"}".to_owned()).await.status, 415);
    assert_eq!(send("application/json", nested).await.status, 400);
    assert_eq!(send("application/json", "{\"name\":".to_owned()).await.status, 400);
    assert_eq!(send("application/json", " ".repeat(33 << 20)).await.status, 413);
    assert_eq!(world.get(user, "/api/v1/keys").await.body["data"], json!([]));
}

async fn an_alias_is_kept_as_the_public_name(world: World) {
    let body = json!({"name": "x", "models": ["llama", "bge-m3", "meta/llama"]});
    let answer = world.post(world.user(), "/api/v1/keys", body).await;
    assert_eq!(answer.body["key"]["models"], json!(["bge-m3", "meta/llama"]));
}

async fn the_creator_chooses_the_expiry(world: World) {
    let user = world.user();
    let answer = world.post(user, "/api/v1/keys", json!({"name": "x", "expires_in": "24h"})).await;
    let tomorrow = NOW.plus(Duration::from_secs(86_400)).to_string();
    assert_eq!(answer.body["key"]["expires_at"], json!(tomorrow));
    let answer = world.post(user, "/api/v1/keys", json!({"name": "x", "expires_at": tomorrow})).await;
    assert_eq!(answer.body["key"]["expires_at"], json!(tomorrow));
}

fn replayable(world: &World, user: crate::world::Person) -> impl Future<Output = crate::world::Answer> + '_ {
    let request = TestRequest::post().uri("/api/v1/keys").insert_header(("idempotency-key", "order-1"));
    world.call(user.signs(request).set_json(json!({"name": "once"})))
}

async fn a_replayed_create_names_the_first_key_and_no_secret(world: World) {
    let user = world.user();
    let first = replayable(&world, user).await;
    let second = replayable(&world, user).await;
    assert_eq!((second.status.as_u16(), &second.body["code"]), (409, &json!("idempotency_replayed")));
    assert!(second.body["detail"].as_str().unwrap().contains(first.body["key"]["id"].as_str().unwrap()));
    assert!(!second.body.to_string().contains("sk-maas-"));
    assert_eq!(world.get(user, "/api/v1/keys").await.body["data"].as_array().unwrap().len(), 1);
    assert_eq!(replayable(&world, world.user()).await.status, 201, "another caller's is another one");
}

async fn of_two_simultaneous_replays_one_creates(world: World) {
    let user = world.user();
    let (one, other) = tokio::join!(replayable(&world, user), replayable(&world, user));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{} {}", one.body, other.body);
    assert_eq!(world.get(user, "/api/v1/keys").await.body["data"].as_array().unwrap().len(), 1);
}

async fn an_idempotency_key_is_forgotten_after_a_day(world: World) {
    let user = world.user();
    assert_eq!(replayable(&world, user).await.status, 201);
    world.clock.advance(Duration::from_secs(86_400));
    assert_eq!(replayable(&world, user).await.status, 409);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(replayable(&world, user).await.status, 201);
}

async fn admins_create_for_others(world: World) {
    let (admin, user) = (world.admin(), world.user());
    let body = json!({"name": "x", "owner_id": user.id});
    let refused = world.post(admin, "/api/v1/keys", body.clone()).await;
    assert_eq!(refused.faults(), [("/owner_id".to_owned(), "unknown_user".to_owned())]);

    world.publish_user(user, 1, UserStatus::Active).await;
    let created = eventually(DEADLINE, || async {
        let answer = world.post(admin, "/api/v1/keys", body.clone()).await;
        (answer.status == 201).then_some(answer.body)
    })
    .await;
    assert_eq!((&created["key"]["owner_id"], &created["key"]["created_by"]), (&json!(user.id), &json!(admin.id)));
    let id: KeyId = created["key"]["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(world.get(user, &format!("/api/v1/keys/{id}")).await.status, 200);
    assert_eq!(world.post(world.user(), "/api/v1/keys", body.clone()).await.status, 403);

    world.publish_user(user, 2, UserStatus::Disabled).await;
    eventually(DEADLINE, || async {
        (world.post(admin, "/api/v1/keys", body.clone()).await.status == 400).then_some(())
    })
    .await;
}

async fn the_first_key_is_made_once(world: World) {
    let owner: UserId = world.admin().id;
    let key = world.service.create_first_key(owner, "first key").await.unwrap().unwrap();
    assert!(key.expose().starts_with("sk-maas-"));
    assert!(world.service.create_first_key(owner, "first key").await.unwrap().is_none());
}
