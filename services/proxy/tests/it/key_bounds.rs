//! Where and for what a key may be used, whose it is, and which of its secrets work.

use std::net::IpAddr;

use bytes::Bytes;
use maas_events::state::{KeyState, TeamMembership, TeamState, UserState, UserStatus};
use maas_keys::PlainKey;
use maas_types::{Clock as _, SystemClock};
use serde_json::json;
use uuid::Uuid;

use crate::{
    fixtures::{self, OWNER, id_bytes},
    world::{CHAT, World, chat_body},
};

const TEAM: Uuid = Uuid::from_u128(80);

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// The owner with this role in the team.
fn owner_in_team(role: &str) -> UserState {
    let membership = TeamMembership { team_id: id_bytes(TEAM), role: role.to_owned() };
    UserState {
        teams: vec![membership],
        default_team_id: id_bytes(Uuid::from_u128(81)),
        organisation_id: id_bytes(Uuid::from_u128(82)),
        cost_centre: "CC-person".to_owned(),
        ..fixtures::user_state(OWNER, UserStatus::Active)
    }
}

#[tokio::test]
async fn the_secret_before_a_rotation_works_until_the_overlap_ends() {
    let world = World::start().await;
    let now = SystemClock.now().unix_ms();
    let before = world.key_state.clone();
    let rotated = |valid_until_ms: i64| KeyState {
        version: fixtures::next_version(),
        secret_mac: Bytes::from_static(&[7; 32]),
        previous_secret_mac: before.secret_mac.clone(),
        previous_pepper_version: before.pepper_version,
        previous_valid_until_ms: valid_until_ms,
        ..before.clone()
    };
    let request = || world.get("/v1/models").key(world.key.expose());
    world.deliver(fixtures::key_delivery(&rotated(now + 3_600_000))).await;
    assert_eq!(request().send().await.status, 200);
    world.deliver(fixtures::key_delivery(&rotated(now - 1))).await;
    let answer = world.eventually_answers(request(), |answer| answer.status != 200).await;
    assert_eq!(answer.error(), refused(401, "invalid_api_key"));
}

#[tokio::test]
async fn a_key_is_used_from_its_networks_only() {
    let world = World::with_settings(|settings| settings.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let bound = world.add_key(|state| state.allowed_cidrs = vec!["192.0.2.0/24".to_owned()]).await;
    let from = |address: &str| world.get("/v1/models").key(bound.expose()).header("x-forwarded-for", address);
    assert_eq!(from("192.0.2.9").send().await.status, 200);
    assert_eq!(from("192.0.2.9, 198.51.100.1").send().await.error(), refused(403, "address_not_allowed"));
    assert_eq!(from("unknown").send().await.error(), refused(403, "address_not_allowed"));
    // Whoever has not the secret learns nothing of it.
    let stranger = PlainKey::generate().unwrap();
    let answer = world.get("/v1/models").key(stranger.expose()).header("x-forwarded-for", "198.51.100.1").send().await;
    assert_ne!(answer.error().1, "address_not_allowed");
}

#[tokio::test]
async fn nobody_is_believed_who_the_client_is_unless_trusted() {
    let world = World::start().await;
    let bound = world.add_key(|state| state.allowed_cidrs = vec!["192.0.2.0/24".to_owned()]).await;
    let request = world.get("/v1/models").key(bound.expose()).header("x-forwarded-for", "192.0.2.9");
    assert_eq!(request.send().await.error(), refused(403, "address_not_allowed"));
    let here: IpAddr = world.address.ip();
    let bound = world.add_key(|state| state.allowed_cidrs = vec![here.to_string()]).await;
    assert_eq!(world.get("/v1/models").key(bound.expose()).send().await.status, 200);
}

#[tokio::test]
async fn a_key_is_used_for_its_operations_only() {
    let world = World::start().await;
    let bound = world.add_key(|state| state.allowed_operations = vec!["embeddings".to_owned()]).await;
    let post = |path: &str, body: String| world.request("POST", path).key(bound.expose()).body(body);
    let chat = post(CHAT, chat_body("chat", "").to_string()).send().await;
    assert_eq!(chat.error(), refused(403, "operation_not_allowed"));
    assert!(chat.text().contains("`chat`"), "{}", chat.text());
    let embeddings = post("/v1/embeddings", json!({"model": "embed", "input": "one"}).to_string());
    assert_eq!(embeddings.send().await.status, 200);
    assert_eq!(world.get("/v1/models").key(bound.expose()).send().await.status, 200);
    assert_eq!(
        world.get("/v1/responses/resp_x").key(bound.expose()).send().await.error(),
        refused(403, "operation_not_allowed")
    );
}

#[tokio::test]
async fn a_teams_key_works_while_its_owner_may_use_the_team() {
    let world = World::start().await;
    world.deliver(fixtures::user_delivery(&owner_in_team("member"))).await;
    let key = world.add_key(|state| state.team_id = id_bytes(TEAM)).await;
    let request = || world.get("/v1/models").key(key.expose());
    world.eventually_answers(request(), |answer| answer.status == 200).await;
    world.deliver(fixtures::user_delivery(&owner_in_team("viewer"))).await;
    let answer = world.eventually_answers(request(), |answer| answer.status != 200).await;
    assert_eq!(answer.error(), refused(403, "key_blocked"));
    assert!(answer.text().contains("team"), "{}", answer.text());
    // The person's other keys are not concerned.
    assert_eq!(world.get("/v1/models").key(world.key.expose()).send().await.status, 200);
}

#[tokio::test]
async fn usage_is_booked_to_the_keys_team_else_to_the_default_team() {
    let world = World::start().await;
    world.deliver(fixtures::user_delivery(&owner_in_team("owner"))).await;
    let organisation = Uuid::from_u128(83);
    let team = TeamState {
        id: id_bytes(TEAM),
        version: fixtures::next_version(),
        organisation_id: id_bytes(organisation),
        cost_centre: "CC-team".to_owned(),
        ..TeamState::default()
    };
    world.deliver(fixtures::team_delivery(&team)).await;
    let of_team = world.add_key(|state| state.team_id = id_bytes(TEAM)).await;
    let own = world.add_key(|_| {}).await;
    for (id, key, team, organisation, cost_centre) in [
        ("of team", &of_team, TEAM, organisation, "CC-team"),
        // Nothing is known of the default team but what the person's state says.
        ("own", &own, Uuid::from_u128(81), Uuid::from_u128(82), "CC-person"),
    ] {
        let id = id.replace(' ', "-");
        let request = world.request("POST", CHAT).key(key.expose()).id(&id).body(chat_body("chat", "").to_string());
        world.eventually_answers(request, |answer| answer.status == 200).await;
        let event = world.event(&id).await;
        assert_eq!((event.team_id, event.organisation_id), (id_bytes(team), id_bytes(organisation)), "{id}");
        assert_eq!(event.cost_centre, cost_centre);
    }
}
