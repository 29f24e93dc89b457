//! Access tokens at the data plane.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use maas_events::state::{RevokedToken, TeamState, UserState, UserStatus};
use maas_tokens::{Audience, Claims};
use maas_types::{Clock as _, SystemClock, TokenId, UserId};
use uuid::Uuid;

use crate::{
    fixtures::{self, DISABLED_OWNER, OWNER, UNKNOWN_OWNER, id_bytes},
    http::checked_error,
    token_issuer::{TokenIssuer, claims, claims_at, public, sign, sign_with},
    world::{CHAT, Setup, World, chat_body},
};

async fn world_with(issuer: &TokenIssuer) -> World {
    World::with(Setup { token_keys: Some(issuer.source()), ..Setup::default() }).await
}

async fn world() -> World {
    world_with(&TokenIssuer::with_keys(&[1])).await
}

async fn error_for(world: &World, token: &str) -> (u16, String) {
    world.get("/v1/models").key(token).send().await.error()
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn owner_state(change: impl FnOnce(&mut UserState)) -> UserState {
    let mut state = fixtures::user_state(OWNER, UserStatus::Active);
    change(&mut state);
    state
}

async fn eventually_refused(world: &World, token: &str, status: u16, code: &str) {
    let answer = world.eventually_answers(world.get("/v1/models").key(token), |answer| answer.status != 200).await;
    assert_eq!(answer.error(), refused(status, code));
}

#[tokio::test]
async fn a_token_calls_models_and_is_booked_to_its_person_and_their_team() {
    let world = world().await;
    let (team, organisation) = (Uuid::from_u128(70), Uuid::from_u128(71));
    let of_team = TeamState {
        id: id_bytes(team),
        version: fixtures::next_version(),
        organisation_id: id_bytes(organisation),
        cost_centre: "CC-7".to_owned(),
        ..TeamState::default()
    };
    world.deliver(fixtures::team_delivery(&of_team)).await;
    let owner = owner_state(|state| {
        state.default_team_id = id_bytes(team);
        state.cost_centre = "an older one".to_owned();
    });
    world.deliver(fixtures::user_delivery(&owner)).await;

    let token = sign(&claims(), 1);
    let request = || world.request("POST", CHAT).key(&token).body(chat_body("chat", "").to_string());
    for id in ["verified", "remembered"] {
        assert_eq!(request().id(id).send().await.status, 200);
        let event = world.event(id).await;
        assert_eq!((event.key_id, event.user_id), (Bytes::new(), id_bytes(OWNER)));
        assert_eq!((event.team_id, event.organisation_id), (id_bytes(team), id_bytes(organisation)));
        assert_eq!((event.cost_centre.as_str(), event.labels.len()), ("CC-7", 0));
    }
    assert_eq!(world.get("/v1/models").key(&token).send().await.status, 200);
    assert_eq!(world.get("/v1/key").key(&token).send().await.error(), refused(403, "operation_not_allowed"));
}

#[tokio::test]
async fn what_is_no_token_of_ours_for_the_data_plane_is_a_stranger() {
    let world = world().await;
    let good = sign(&claims(), 1);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let payload = head.split_once('.').unwrap().1;
    let hs256 = Header { kid: Some("key-1".to_owned()), ..Header::new(Algorithm::HS256) };
    let public_key = URL_SAFE_NO_PAD.decode(public(1).x).unwrap();
    for (case, token) in [
        ("control", sign(&Claims { aud: Audience::Control, ..claims() }, 1)),
        ("another issuer", sign(&Claims { iss: "https://other.example".to_owned(), ..claims() }, 1)),
        ("an unknown key", sign(&claims(), 9)),
        (
            "another key under a known name",
            sign_with(&Header { kid: Some("key-1".to_owned()), ..Header::new(Algorithm::EdDSA) }, &claims(), 9),
        ),
        ("no key named", sign_with(&Header::new(Algorithm::EdDSA), &claims(), 1)),
        (
            "HS256 with the public key",
            jsonwebtoken::encode(&hs256, &claims(), &EncodingKey::from_secret(&public_key)).unwrap(),
        ),
        ("none", format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"key-1"}"#))),
        ("without signature", format!("{head}.")),
        ("changed", format!("{}.e30.{signature}", head.split_once('.').unwrap().0)),
        ("a person who does not exist", "eyJ.eyJ.eyJ".to_owned()),
    ] {
        assert_eq!(error_for(&world, &token).await, refused(401, "invalid_api_key"), "{case}");
    }
    assert_eq!(world.get("/v1/models").key(&good).send().await.status, 200);
}

#[tokio::test]
async fn the_holder_is_told_what_is_wrong_with_a_token() {
    let world = world().await;
    let expired = claims_at(SystemClock.now().minus(Duration::from_secs(3_601)));
    assert_eq!(error_for(&world, &sign(&expired, 1)).await, refused(401, "expired_api_key"));
    let of = |user: Uuid| sign(&Claims { sub: UserId::from_uuid(user), ..claims() }, 1);
    assert_eq!(error_for(&world, &of(DISABLED_OWNER)).await, refused(403, "key_blocked"));
    assert_eq!(error_for(&world, &of(UNKNOWN_OWNER)).await, refused(503, "key_state_unavailable"));
}

#[tokio::test]
async fn a_revocation_counts_for_tokens_that_were_verified_before() {
    let world = world().await;
    let (first, second) = (claims(), claims());
    let (first_token, second_token) = (sign(&first, 1), sign(&second, 1));
    for token in [&first_token, &second_token] {
        assert_eq!(world.get("/v1/models").key(token).send().await.status, 200);
    }
    let one_revoked = owner_state(|state| {
        let token_id = Bytes::copy_from_slice(first.jti.uuid().as_bytes());
        state.revoked_tokens = vec![RevokedToken { token_id, expires_at_ms: first.exp * 1_000 }];
    });
    world.deliver(fixtures::user_delivery(&one_revoked)).await;
    eventually_refused(&world, &first_token, 401, "revoked_api_key").await;
    assert_eq!(world.get("/v1/models").key(&second_token).send().await.status, 200);

    let all_revoked = owner_state(|state| state.tokens_valid_from_ms = second.issued_at().unix_ms() + 1);
    world.deliver(fixtures::user_delivery(&all_revoked)).await;
    eventually_refused(&world, &second_token, 401, "revoked_api_key").await;
    // Keys of the same person go on, and so do later tokens.
    assert_eq!(world.get("/v1/models").key(world.key.expose()).send().await.status, 200);
    let later = claims_at(SystemClock.now().plus(Duration::from_millis(5)));
    assert_eq!(world.get("/v1/models").key(&sign(&later, 1)).send().await.status, 200);
}

#[tokio::test]
async fn disabling_the_person_ends_their_tokens() {
    let world = world().await;
    let token = sign(&claims(), 1);
    assert_eq!(world.get("/v1/models").key(&token).send().await.status, 200);
    world.deliver(fixtures::user_delivery(&fixtures::user_state(OWNER, UserStatus::Disabled))).await;
    eventually_refused(&world, &token, 403, "key_blocked").await;
}

#[tokio::test]
async fn a_running_stream_of_a_revoked_token_is_cut_and_those_of_keys_go_on() {
    let world = world().await;
    let cut = claims();
    let mut body = chat_body("chat", "fault-stall");
    body["stream"] = serde_json::json!(true);
    let request = world.request("POST", CHAT).key(&sign(&cut, 1)).body(body.to_string());
    let mut of_token = request.id("cut").open().await;
    let mut of_key = world.stream("chat", "fault-stall").id("goes on").open().await;
    of_token.until("rivers").await;
    of_key.until("rivers").await;
    let revoked = owner_state(|state| {
        let token_id = Bytes::copy_from_slice(cut.jti.uuid().as_bytes());
        state.revoked_tokens = vec![RevokedToken { token_id, expires_at_ms: cut.exp * 1_000 }];
    });
    world.deliver(fixtures::user_delivery(&revoked)).await;
    let answer = of_token.rest().await;
    assert_eq!(checked_error(answer.chunks().last().unwrap()), "revoked_api_key");
    assert_eq!(world.event("cut").await.error_code, "revoked_api_key");
    world.upstream_counts(|counters| counters.cancelled == 1).await;
}

#[tokio::test]
async fn a_new_key_is_asked_for_and_inventions_are_not() {
    let issuer = TokenIssuer::with_keys(&[1]);
    let world = world_with(&issuer).await;
    assert_eq!(world.get("/v1/models").key(&sign(&claims(), 1)).send().await.status, 200);
    let asked_before = issuer.asked();
    issuer.publish(Some(&[1, 2]));
    assert_eq!(world.get("/v1/models").key(&sign(&claims(), 2)).send().await.status, 200);
    for number in 3..30 {
        assert_eq!(error_for(&world, &sign(&claims(), number)).await, refused(401, "invalid_api_key"));
    }
    // Once for the new key; once more only if the inventions took longer than the pause between two questions.
    assert!((1..=2).contains(&(issuer.asked() - asked_before)), "{}", issuer.asked());
}

#[tokio::test]
async fn known_keys_go_on_while_auth_is_away_and_unknown_ones_are_no_refusal() {
    let issuer = TokenIssuer::with_keys(&[1]);
    let world = world_with(&issuer).await;
    let known = sign(&claims(), 1);
    assert_eq!(world.get("/v1/models").key(&known).send().await.status, 200);
    issuer.publish(None);
    assert_eq!(world.get("/v1/models").key(&known).send().await.status, 200);
    assert_eq!(world.get("/v1/models").key(&sign(&claims(), 1)).send().await.status, 200, "not verified before");
    let answer = world.get("/v1/models").key(&sign(&claims(), 2)).send().await;
    assert_eq!(answer.error(), refused(503, "key_state_unavailable"));
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn a_proxy_without_auth_takes_no_tokens() {
    let world = World::start().await;
    assert_eq!(error_for(&world, &sign(&claims(), 1)).await, refused(401, "invalid_api_key"));
}

#[tokio::test]
async fn ids_of_tokens_carry_their_time() {
    let now = SystemClock.now();
    assert_eq!(TokenId::new_at(now).created_at(), now);
}
