//! Who is let in.

use std::sync::Arc;

use maas_bus::Bus as _;
use maas_events::{
    state::{KeyLookup, KeyLookupAnswer, KeyState, KeyStatus},
    topic::KEY_LOOKUP_SUBJECT,
};
use maas_keys::PlainKey;
use maas_runtime::config::Secret;
use prost::Message as _;

use crate::{
    fixtures::{self, DISABLED_OWNER, UNKNOWN_OWNER, id_bytes},
    world::{CHAT, World, chat_body},
};

/// Answers look-ups as key-management would, with this key or none.
async fn answer_lookups(world: &World, known: Option<KeyState>) {
    let responder = move |question: bytes::Bytes| -> maas_bus::AnswerFuture {
        let asked = KeyLookup::decode(question).unwrap().public_id;
        let key = known.clone().filter(|key| key.public_id == asked);
        Box::pin(async move { KeyLookupAnswer { key }.encode_to_vec().into() })
    };
    world.bus.respond(KEY_LOOKUP_SUBJECT, Arc::new(responder)).await.unwrap();
}

async fn error_for(world: &World, key: &str) -> (u16, String) {
    world.get("/v1/models").key(key).send().await.error()
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn strangers_are_told_nothing() {
    let world = World::start().await;
    answer_lookups(&world, None).await;
    let mut bodies = Vec::new();
    let unknown = PlainKey::generate().unwrap();
    for key in ["", "sk-maas-short", "sk-other", unknown.expose()] {
        let answer = world.get("/v1/models").key(key).id("same").send().await;
        assert_eq!(answer.error(), refused(401, "invalid_api_key"), "{key}");
        bodies.push(answer.text());
    }
    bodies.push(world.get("/v1/models").id("same").send().await.text());
    bodies.push(world.get("/v1/models").id("same").header("authorization", "Basic abc").send().await.text());
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{bodies:?}");
}

#[tokio::test]
async fn a_known_key_with_another_secret_is_unknown() {
    let world = World::start().await;
    // A key whose state holds the MAC of another one.
    let key = world.add_key(|state| state.secret_mac = bytes::Bytes::from_static(&[7; 32])).await;
    assert_eq!(error_for(&world, key.expose()).await, refused(401, "invalid_api_key"));
    let key = world.add_key(|state| state.pepper_version = 9).await;
    assert_eq!(error_for(&world, key.expose()).await, refused(401, "invalid_api_key"));
}

#[tokio::test]
async fn the_holder_of_a_key_is_told_what_is_wrong_with_it() {
    let world = World::start().await;
    let expired = world.add_key(|state| state.expires_at_ms = 1_700_000_000_000).await;
    assert_eq!(error_for(&world, expired.expose()).await, refused(401, "expired_api_key"));
    let revoked = world.add_key(|state| state.status = KeyStatus::Revoked.into()).await;
    assert_eq!(error_for(&world, revoked.expose()).await, refused(401, "revoked_api_key"));
    let blocked = world.add_key(|state| state.status = KeyStatus::Blocked.into()).await;
    assert_eq!(error_for(&world, blocked.expose()).await, refused(403, "key_blocked"));
    let orphan = world.add_key(|state| state.owner_id = id_bytes(DISABLED_OWNER)).await;
    assert_eq!(error_for(&world, orphan.expose()).await, refused(403, "key_blocked"));
}

#[tokio::test]
async fn what_cannot_be_confirmed_is_unavailable_and_not_refused() {
    let world = World::start().await;
    // Nobody answers look-ups.
    let answer = world.get("/v1/models").key(PlainKey::generate().unwrap().expose()).send().await;
    assert_eq!(answer.error(), refused(503, "key_state_unavailable"));
    assert!(answer.header("retry-after").is_some() && answer.header("retry-after-ms").is_some());
    let of_unknown_owner = world.add_key(|state| state.owner_id = id_bytes(UNKNOWN_OWNER)).await;
    assert_eq!(error_for(&world, of_unknown_owner.expose()).await, refused(503, "key_state_unavailable"));
}

#[tokio::test]
async fn a_key_that_has_not_arrived_yet_is_looked_up() {
    let world = World::start().await;
    let key = PlainKey::generate().unwrap();
    answer_lookups(&world, Some(fixtures::key_state(&key))).await;
    assert_eq!(world.get("/v1/models").key(key.expose()).send().await.status, 200);
    assert_eq!(error_for(&world, PlainKey::generate().unwrap().expose()).await, refused(401, "invalid_api_key"));
}

#[tokio::test]
async fn the_first_of_four_headers_decides() {
    let world = World::start().await;
    let key = world.key.expose();
    for name in ["x-api-key", "api-key", "x-goog-api-key"] {
        assert_eq!(world.get("/v1/models").header(name, key).send().await.status, 200, "{name}");
    }
    let lower = format!("bearer {key}");
    assert_eq!(world.get("/v1/models").header("authorization", &lower).send().await.status, 200);
    let first_is_wrong = world.get("/v1/models").header("x-api-key", key).header("authorization", "Bearer no");
    assert_eq!(first_is_wrong.send().await.error(), refused(401, "invalid_api_key"));
    let first_is_right = world.get("/v1/models").header("api-key", "no").header("x-api-key", key);
    assert_eq!(first_is_right.send().await.status, 200);
}

#[tokio::test]
async fn a_change_takes_effect_while_the_proxy_runs() {
    let world = World::start().await;
    let request = || world.request("POST", CHAT).key(world.key.expose()).body(chat_body("chat", "").to_string());
    assert_eq!(request().send().await.status, 200);
    for (status, expected) in [(KeyStatus::Blocked, 403), (KeyStatus::Active, 200), (KeyStatus::Revoked, 401)] {
        let changed = KeyState { status: status.into(), version: fixtures::next_version(), ..world.key_state.clone() };
        world.deliver(fixtures::key_delivery(&changed)).await;
        world.eventually_answers(request(), |answer| answer.status == expected).await;
    }
    // A late older state does not bring it back.
    let old = KeyState { version: world.key_state.version, ..world.key_state.clone() };
    world.deliver(fixtures::key_delivery(&old)).await;
    assert_eq!(request().send().await.status, 401);
}

#[tokio::test]
async fn keys_under_the_previous_pepper_still_work() {
    let world = World::with_settings(|settings| {
        settings.previous_pepper = settings.pepper.clone();
        settings.pepper = Secret::new("another pepper for tests with enough bytes");
        settings.pepper_version = 2;
    })
    .await;
    assert_eq!(world.get("/v1/models").key(world.key.expose()).send().await.status, 200);
}
