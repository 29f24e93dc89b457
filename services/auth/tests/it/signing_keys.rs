//! The keys that tokens are signed with, and how they change under tokens in use.

use std::time::Duration;

use actix_web::http::Method;
use maas_auth::{AuthSettings, generate_signing_key};
use maas_runtime::config::Secret;
use maas_testkit::eventually;
use maas_tokens::{Audience, KeySet, TokenKeys};
use maas_types::Clock as _;
use maas_web::Credential;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::world::{As, INTERNAL_TOKEN, PATIENCE, World, on_both_databases, postgres, settings};

on_both_databases! {
    a_new_key_is_published_before_it_signs,
    only_admins_rotate_and_not_twice_at_once,
    a_key_leaves_once_its_last_token_has_expired,
    a_newly_configured_key_takes_over_with_overlap,
    private_keys_are_stored_only_sealed,
}

/// More than a key is published before it signs.
const UNTIL_USED: Duration = Duration::from_secs(6 * 60);

async fn published(world: &World) -> Vec<String> {
    let keys = world.get("/.well-known/jwks.json", &As::Nobody).await.body["keys"].clone();
    keys.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn rotate(world: &World) -> Value {
    let rotated =
        world.send(world.request(Method::POST, "/api/v1/tokens/signing-keys/rotate", &world.admin().await)).await;
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    rotated.body
}

async fn new_token(world: &World) -> SecretString {
    world.auth.issue_control_token(world.admin.user_id, Duration::from_secs(24 * 3_600)).await.unwrap()
}

fn key_of(token: &SecretString) -> String {
    jsonwebtoken::decode_header(token.expose_secret()).unwrap().kid.unwrap()
}

async fn accepts(world: &World, token: &SecretString) -> bool {
    let credential = Credential::Token(token.clone());
    world.auth.resolver().resolve(&credential).await.unwrap().is_some()
}

async fn a_new_key_is_published_before_it_signs(world: World) {
    let first = published(&world).await;
    let old_token = new_token(&world).await;
    let next = rotate(&world).await["kid"].as_str().unwrap().to_owned();
    assert_eq!(published(&world).await, [first[0].clone(), next.clone()]);
    assert_eq!(key_of(&new_token(&world).await), first[0]);
    world.clock.advance(UNTIL_USED);
    let new_token = new_token(&world).await;
    assert_eq!(key_of(&new_token), next);
    assert!(accepts(&world, &old_token).await && accepts(&world, &new_token).await);
}

async fn only_admins_rotate_and_not_twice_at_once(world: World) {
    let path = "/api/v1/tokens/signing-keys/rotate";
    for (name, role) in [("ada", "user"), ("rea", "admin-readonly")] {
        let (_, session) = world.person(name, role).await;
        assert_eq!(world.post(path, &session, json!({})).await.code(), "permission_denied", "{role}");
    }
    rotate(&world).await;
    let again = world.send(world.request(Method::POST, path, &world.admin().await)).await;
    assert_eq!((again.status.as_u16(), again.code()), (409, "conflict"));
    world.clock.advance(UNTIL_USED);
    rotate(&world).await;
    eventually(PATIENCE, || async {
        let book = world.get("/api/v1/audit?action=signing_key.rotate", &world.admin().await).await;
        (book.body["data"].as_array().unwrap().len() == 2).then_some(())
    })
    .await;
}

async fn a_key_leaves_once_its_last_token_has_expired(world: World) {
    let first = published(&world).await[0].clone();
    rotate(&world).await;
    // The longest token may have been made in the last moment.
    world.clock.advance(UNTIL_USED + Duration::from_secs(24 * 3_600));
    rotate(&world).await;
    assert!(published(&world).await.contains(&first));
    world.clock.advance(Duration::from_secs(2 * 3_600));
    rotate(&world).await;
    let keys = published(&world).await;
    assert!(!keys.contains(&first) && keys.len() == 3, "{keys:?}");
    // The configured key was retired, and a restart does not bring it back.
    let again = world.replica(settings_with(&world, |_| {})).await;
    assert_eq!(published(&again).await, keys);
}

/// The settings that the world was started with.
fn settings_with(world: &World, change: impl FnOnce(&mut AuthSettings)) -> AuthSettings {
    let mut same = world.settings.clone();
    change(&mut same);
    same
}

async fn a_newly_configured_key_takes_over_with_overlap(world: World) {
    rotate(&world).await;
    world.clock.advance(UNTIL_USED);
    let old_token = new_token(&world).await;
    let configured_before = world.settings.signing_key.clone();
    let restarted = world
        .replica(settings_with(&world, |settings| {
            settings.signing_key = Secret::new(generate_signing_key().unwrap());
            settings.previous_signing_key = configured_before;
        }))
        .await;
    assert!(accepts(&restarted, &old_token).await);
    assert_eq!(key_of(&new_token(&restarted).await), key_of(&old_token), "what the old key has sealed is opened");
    world.clock.advance(UNTIL_USED);
    assert_ne!(key_of(&new_token(&restarted).await), key_of(&old_token));
    // Without the previous key: nothing that it sealed signs, and tokens go on being accepted.
    let without =
        world.replica(settings_with(&restarted, |settings| settings.previous_signing_key = Secret::default()));
    assert!(accepts(&without.await, &old_token).await);
}

async fn private_keys_are_stored_only_sealed(world: World) {
    use sea_orm::ConnectionTrait as _;
    rotate(&world).await;
    let backend = world.database.backend();
    let question = sea_orm::Statement::from_string(backend, "SELECT sealed FROM signing_keys ORDER BY used_from");
    let rows = world.database.reader().query_all_raw(question).await.unwrap();
    let sealed: Vec<Option<Vec<u8>>> = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
    // The configured key is not stored at all; the other is nonce, 32 bytes and tag.
    assert!(sealed[0].is_none());
    assert_eq!(sealed[1].as_ref().unwrap().len(), 24 + 32 + 16);
}

#[actix_web::test]
async fn an_old_key_is_replaced_without_anybody_asking() {
    let world = World::on_sqlite().await;
    assert_eq!(published(&world).await.len(), 1);
    world.clock.advance(Duration::from_secs(30 * 24 * 3_600));
    eventually(PATIENCE, || async { (published(&world).await.len() == 2).then_some(()) }).await;
}

/// What a verifier elsewhere has asked for.
async fn asked_keys(world: &World) -> KeySet {
    let request = world.request(Method::GET, "/internal/v1/token-keys", &As::Token(INTERNAL_TOKEN.to_owned()));
    let keys: TokenKeys = serde_json::from_value(world.send(request).await.body).unwrap();
    KeySet::new(keys).unwrap()
}

/// 200 tokens a second, made at one replica and used at the other and at a verifier elsewhere.
#[actix_web::test]
async fn rotation_under_load_refuses_no_token() {
    let first = World::start_with(postgres().await, settings()).await;
    let second = first.replica(first.settings.clone()).await;
    let mut elsewhere = asked_keys(&second).await;
    let old_key = key_of(&new_token(&first).await);
    let (mut used, mut refused, mut rotated, mut new_key) = (0, 0, false, None);
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    let end = tokio::time::Instant::now() + PATIENCE * 5;
    while tokio::time::Instant::now() < end {
        tick.tick().await;
        let (from, to) = if used % 2 == 0 { (&first, &second) } else { (&second, &first) };
        let token = new_token(from).await;
        let verified = elsewhere.verify(token.expose_secret(), &[Audience::Control], first.clock.now());
        refused += u32::from(!accepts(to, &token).await) + u32::from(verified.is_err());
        used += 1;
        if used == 200 {
            rotate(&first).await;
            rotated = true;
        }
        if rotated && new_key.is_none() && published(&second).await.len() == 2 {
            // Everybody has it: by then minutes have passed, which the clock makes up for.
            elsewhere = asked_keys(&second).await;
            first.clock.advance(UNTIL_USED);
            new_key = Some(used);
        }
        if new_key.is_some_and(|since| used >= since + 200) {
            break;
        }
    }
    assert_eq!(refused, 0, "of {used}");
    assert!(new_key.is_some(), "the other replica never had the new key");
    assert_ne!(key_of(&new_token(&second).await), old_key);
}
