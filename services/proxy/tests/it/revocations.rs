//! What was revoked is refused, cut and confirmed; what nobody confirms is not believed for long.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use maas_events::{
    Delivery,
    state::{KeyState, KeyStatus, UserStatus},
};
use maas_testkit::eventually;
use maas_types::{Clock as _, FixedClock, SystemClock};
use serde_json::json;

use crate::{
    fixtures::{self, OWNER},
    http::{PATIENCE, checked_error},
    world::{CHAT, SHORTLY, Setup, World},
};

fn revoked(key: &KeyState) -> Delivery {
    let state = KeyState { status: KeyStatus::Revoked.into(), version: fixtures::next_version(), ..key.clone() };
    fixtures::key_delivery(&state)
}

fn disabled_owner() -> Delivery {
    fixtures::user_delivery(&fixtures::user_state(OWNER, UserStatus::Disabled))
}

/// The time stands still unless the test moves it.
async fn world_at_rest() -> (World, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock::at(SystemClock.now()));
    let world = World::with(Setup { clock: Some(clock.clone()), ..Setup::default() }).await;
    (world, clock)
}

async fn is_served(world: &World) -> bool {
    let answer = world.get("/v1/models").key(world.key.expose()).send().await;
    match answer.status {
        200 => true,
        _ => {
            assert_eq!(answer.error(), (503, "key_state_unavailable".to_owned()));
            false
        }
    }
}

async fn eventually_served(world: &World, expected: bool) {
    eventually(PATIENCE, || async { (is_served(world).await == expected).then_some(()) }).await;
}

#[tokio::test]
async fn a_broadcast_alone_revokes_a_key_and_is_confirmed() {
    let world = World::start().await;
    world.owners.keys.revoke(revoked(&world.key_state)).await;
    world.owners.confirmed(&world.owners.keys).await;
    let answer = world.get("/v1/models").key(world.key.expose()).send().await;
    assert_eq!(answer.error(), (401, "revoked_api_key".to_owned()));
}

#[tokio::test]
async fn without_broadcasts_the_proxy_asks() {
    let world = World::start().await;
    world.owners.keys.stop_broadcasting();
    world.owners.keys.revoke(revoked(&world.key_state)).await;
    world.owners.confirmed(&world.owners.keys).await;
    assert_eq!(world.get("/v1/models").key(world.key.expose()).send().await.status, 401);
}

#[tokio::test]
async fn a_running_stream_of_a_revoked_key_ends_with_an_error_and_is_settled() {
    let world = World::start().await;
    let mut stream = world.stream("chat", "fault-stall").id("cut").open().await;
    stream.until("rivers").await;
    let revoked_at = Instant::now();
    world.owners.keys.revoke(revoked(&world.key_state)).await;
    let answer = stream.rest().await;
    assert_eq!(checked_error(answer.chunks().last().unwrap()), "revoked_api_key");
    world.upstream_counts(|counters| counters.cancelled == 1).await;
    assert!(revoked_at.elapsed() < Duration::from_secs(1), "{:?}", revoked_at.elapsed());
    let event = world.event("cut").await;
    assert_eq!((event.outcome.as_str(), event.error_code.as_str()), ("auth_denied", "revoked_api_key"));
    // "steady rivers " are 14 bytes.
    assert_eq!(event.tokens.unwrap().output, 4);
}

#[tokio::test]
async fn streams_of_a_disabled_person_end_whatever_they_wait_for() {
    let world = World::with_settings(|settings| settings.ping_interval = SHORTLY).await;
    let mut relayed = world.stream("chat", "fault-stall").open().await;
    relayed.until("rivers").await;
    let mut pinged = world.stream("chat", "delay-60000").open().await;
    pinged.until(": ping").await;
    let whole = world.chat("chat", "delay-60000").id("whole").open().await;
    world.upstream_counts(|counters| counters.input_tokens == 15).await;
    world.owners.auth.revoke(disabled_owner()).await;
    for stream in [relayed, pinged] {
        assert_eq!(checked_error(stream.rest().await.chunks().last().unwrap()), "key_blocked");
    }
    assert_eq!(whole.rest().await.error(), (403, "key_blocked".to_owned()));
    world.upstream_counts(|counters| counters.cancelled == 3).await;
    assert_eq!(world.event("whole").await.error_code, "key_blocked");
}

#[tokio::test]
async fn sound_of_a_revoked_key_is_broken_off() {
    let world = World::start().await;
    let body = json!({"model": "chat", "input": "say it", "instructions": "sim:fault-stall"});
    let mut sound = world.post("/v1/audio/speech", &body).id("sound").open().await;
    sound.until("\r\n\r\n").await;
    world.owners.keys.revoke(revoked(&world.key_state)).await;
    world.upstream_counts(|counters| counters.cancelled == 1).await;
    assert_eq!(world.event("sound").await.error_code, "revoked_api_key");
}

#[tokio::test]
async fn streams_of_others_go_on() {
    let world = World::start().await;
    let other = world.add_key(|_| {}).await;
    let body = crate::world::chat_body("chat", "delay-300");
    let request = world.request("POST", CHAT).key(other.expose()).body(body.to_string()).open().await;
    world.owners.keys.revoke(revoked(&world.key_state)).await;
    world.owners.confirmed(&world.owners.keys).await;
    assert_eq!(request.rest().await.status, 200);
}

#[tokio::test]
async fn an_owner_whose_database_was_replaced_is_followed_anew() {
    let world = World::start().await;
    world.owners.keys.begin_epoch();
    world.owners.confirmed(&world.owners.keys).await;
    world.owners.keys.revoke(revoked(&world.key_state)).await;
    world.owners.confirmed(&world.owners.keys).await;
    assert_eq!(world.get("/v1/models").key(world.key.expose()).send().await.status, 401);
}

#[tokio::test]
async fn one_owner_that_is_silent_while_another_answers_closes_after_thirty_seconds() {
    let (world, clock) = world_at_rest().await;
    world.owners.keys.silence();
    clock.advance(Duration::from_secs(25));
    assert!(is_served(&world).await);
    // The other one answers in between.
    world.owners.confirmed(&world.owners.auth).await;
    clock.advance(Duration::from_secs(6));
    eventually_served(&world, false).await;
    world.owners.speak();
    eventually_served(&world, true).await;
}

#[tokio::test]
async fn cut_off_from_everything_keys_work_for_the_configured_time() {
    let (world, clock) = world_at_rest().await;
    world.owners.silence();
    clock.advance(Duration::from_secs(14 * 60));
    assert!(is_served(&world).await);
    clock.advance(Duration::from_secs(61));
    assert!(!is_served(&world).await);
    world.owners.speak();
    eventually_served(&world, true).await;
}

#[tokio::test]
async fn a_proxy_that_was_never_told_serves_nobody() {
    let world = World::with(Setup { without_owners: true, ..Setup::default() }).await;
    assert!(!is_served(&world).await);
    assert!(!world.process.readiness.is_ready());
    world.owners.speak();
    eventually_served(&world, true).await;
}

#[tokio::test]
async fn a_proxy_that_stops_says_goodbye() {
    let world = World::start().await;
    world.finish().await;
    assert!(world.owners.heartbeats.lock().unwrap().last().unwrap().leaving);
}

/// A world that goes on from what the proxy of `before` has left on disk; nobody has told it of that world's keys.
async fn world_after(before: &World, clock: Arc<FixedClock>) -> World {
    before.finish().await;
    let journal = Some(before.journal_dir.clone());
    World::with(Setup { journal, clock: Some(clock), without_owners: true, ..Setup::default() }).await
}

#[tokio::test]
async fn a_start_goes_on_from_its_copy_when_nobody_can_be_asked() {
    let before = World::start().await;
    let clock = Arc::new(FixedClock::at(SystemClock.now()));
    let world = world_after(&before, clock.clone()).await;
    let known = || world.get("/v1/models").key(before.key.expose());
    assert_eq!(known().send().await.status, 200);
    assert!(world.process.readiness.is_ready());
    clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(known().send().await.error(), (503, "key_state_unavailable".to_owned()));
}

#[tokio::test]
async fn a_copy_that_is_too_old_opens_nothing() {
    let before = World::start().await;
    let later = SystemClock.now().plus(Duration::from_secs(16 * 60));
    let world = world_after(&before, Arc::new(FixedClock::at(later))).await;
    let answer = world.get("/v1/models").key(before.key.expose()).send().await;
    assert_eq!(answer.error(), (503, "key_state_unavailable".to_owned()));
}

#[tokio::test]
async fn what_was_revoked_meanwhile_is_not_in_the_copy_and_asked_for() {
    let before = World::start().await;
    let world = world_after(&before, Arc::new(FixedClock::at(SystemClock.now()))).await;
    world.owners.keys.revoke(revoked(&before.key_state)).await;
    world.owners.speak();
    world.owners.confirmed(&world.owners.keys).await;
    assert_eq!(world.get("/v1/models").key(before.key.expose()).send().await.status, 401);
}
