//! Plans and subscriptions decide, for each request, which models a key may call.

use maas_events::{
    Bucket,
    state::{PlanState, SubscriptionState, SubscriptionStatus, TeamMembership, UserState, UserStatus},
};
use maas_types::TeamId;
use serde_json::Value;

use crate::{
    fixtures::{self, OWNER, id_bytes, new_id, next_version, state},
    world::{World, chat_body},
};

const TEAM: uuid::Uuid = uuid::Uuid::from_u128(0x7_0000);

fn subscription(world_model: &maas_events::state::ModelState, status: SubscriptionStatus) -> SubscriptionState {
    SubscriptionState {
        id: new_id(),
        version: next_version(),
        user_id: id_bytes(OWNER),
        model_id: world_model.id.clone(),
        status: status.into(),
        ..SubscriptionState::default()
    }
}

async fn tell(world: &World, subscription: &SubscriptionState) {
    let delivery = state(Bucket::Subscriptions, &subscription.id, subscription.version, subscription);
    world.deliver(delivery).await;
}

/// A restricted model that nobody has access to yet.
async fn restricted_model(world: &World) -> maas_events::state::ModelState {
    let upstreams = vec![fixtures::upstream(&world.upstream.base_url(), "sim-chat")];
    let mut model = fixtures::model("guarded", upstreams);
    world.add_model(&model).await;
    model = maas_events::state::ModelState { restricted: true, version: next_version(), ..model };
    world.deliver(fixtures::model_delivery(&model)).await;
    world.eventually_answers(world.chat("guarded", ""), |answer| answer.status == 403).await;
    model
}

/// What the refusal says, once it says this.
async fn eventually_told(world: &World, part: &str) {
    let told = world.eventually_answers(world.chat("guarded", ""), |answer| answer.text().contains(part)).await;
    assert_eq!(told.error(), (403, "model_not_allowed".to_owned()));
}

async fn listed(world: &World) -> Vec<String> {
    let list = world.get("/v1/models").key(world.key.expose()).send().await.json();
    let name = |model: &Value| model["id"].as_str().unwrap().to_owned();
    list["data"].as_array().unwrap().iter().map(name).collect()
}

#[tokio::test]
async fn an_active_subscription_opens_a_restricted_model_and_its_loss_closes_it() {
    let world = World::start().await;
    let model = restricted_model(&world).await;
    assert!(!listed(&world).await.contains(&"guarded".to_owned()));
    let active = subscription(&model, SubscriptionStatus::Active);
    tell(&world, &active).await;
    world.eventually_answers(world.chat("guarded", ""), |answer| answer.status == 200).await;
    assert!(listed(&world).await.contains(&"guarded".to_owned()));
    let suspended =
        SubscriptionState { version: next_version(), status: SubscriptionStatus::Suspended.into(), ..active.clone() };
    tell(&world, &suspended).await;
    eventually_told(&world, "suspended").await;
    tell(&world, &active).await;
    let late = subscription(&model, SubscriptionStatus::Denied);
    tell(&world, &late).await;
    eventually_told(&world, "denied").await;
}

#[tokio::test]
async fn every_other_status_is_refused_with_what_can_be_done() {
    let world = World::start().await;
    let model = restricted_model(&world).await;
    eventually_told(&world, "request access to it").await;
    for (status, part) in [
        (SubscriptionStatus::Pending, "not been decided"),
        (SubscriptionStatus::Denied, "request for review"),
        (SubscriptionStatus::Suspended, "is suspended"),
        (SubscriptionStatus::Cancelled, "request access to it"),
        (SubscriptionStatus::Expired, "has expired"),
    ] {
        tell(&world, &subscription(&model, status)).await;
        eventually_told(&world, part).await;
    }
}

#[tokio::test]
async fn access_ends_by_the_time_without_anybody_telling() {
    let world = World::start().await;
    let model = restricted_model(&world).await;
    let ended = SubscriptionState { expires_at_ms: 1, ..subscription(&model, SubscriptionStatus::Active) };
    tell(&world, &ended).await;
    eventually_told(&world, "has expired").await;
}

#[tokio::test]
async fn a_teams_subscription_counts_for_keys_of_the_team_only() {
    let world = World::start().await;
    let model = restricted_model(&world).await;
    let team_id = id_bytes(TEAM);
    let membership = TeamMembership { team_id: team_id.clone(), role: "member".to_owned() };
    let user = UserState {
        version: next_version(),
        teams: vec![membership],
        ..fixtures::user_state(OWNER, UserStatus::Active)
    };
    world.deliver(fixtures::user_delivery(&user)).await;
    let for_team = SubscriptionState {
        user_id: bytes::Bytes::new(),
        team_id: id_bytes(TeamId::from_uuid(TEAM).uuid()),
        ..subscription(&model, SubscriptionStatus::Active)
    };
    tell(&world, &for_team).await;
    let team_key = world.add_key(|key| key.team_id = team_id).await;
    let with =
        |key: &str| world.request("POST", crate::world::CHAT).key(key).body(chat_body("guarded", "").to_string());
    world.eventually_answers(with(team_key.expose()), |answer| answer.status == 200).await;
    assert_eq!(with(world.key.expose()).send().await.status, 403, "the person has no access of their own");
    let left = UserState { version: next_version(), teams: Vec::new(), ..user };
    world.deliver(fixtures::user_delivery(&left)).await;
    world.eventually_answers(with(team_key.expose()), |answer| answer.error().1 == "key_blocked").await;
}

#[tokio::test]
async fn what_the_plan_does_not_open_does_not_exist() {
    let world = World::start().await;
    let plan = |level, group: &str, models: &[&str]| PlanState {
        id: new_id(),
        version: next_version(),
        level,
        groups: vec![group.to_owned()],
        is_default: group.is_empty(),
        models: models.iter().map(|&model| model.to_owned()).collect(),
        ..PlanState::default()
    };
    let basic = plan(0, "", &["chat"]);
    world.deliver(state(Bucket::Plans, &basic.id, basic.version, &basic)).await;
    let chat = world.chat("sim-chat", "");
    let closed = world.eventually_answers(chat.clone(), |answer| answer.status == 404).await;
    assert_eq!(closed.error().1, "model_not_found");
    assert_eq!(listed(&world).await, ["chat"]);
    let staff = plan(5, "staff", &["sim-chat"]);
    world.deliver(state(Bucket::Plans, &staff.id, staff.version, &staff)).await;
    let user = UserState {
        version: next_version(),
        groups: vec!["staff".to_owned()],
        ..fixtures::user_state(OWNER, UserStatus::Active)
    };
    world.deliver(fixtures::user_delivery(&user)).await;
    world.eventually_answers(chat, |answer| answer.status == 200).await;
    assert_eq!(world.chat("chat", "").send().await.status, 404, "a higher plan replaces the default one");
}
