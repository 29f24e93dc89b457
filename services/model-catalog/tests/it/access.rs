//! Who sees which model, and what is said about calling it.

use actix_web::http::Method;
use maas_events::{
    Bucket, Delivery,
    state::{PlanState, SubscriptionState, SubscriptionStatus},
};
use maas_testkit::eventually;
use maas_types::UserId;
use prost::Message;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{PATIENCE, Reply, World, settings};

async fn tell(world: &World, bucket: Bucket, id: Uuid, version: u64, state: &impl Message) {
    let (key, value) = (id.simple().to_string(), state.encode_to_vec().into());
    world.bus.deliver(Delivery::State { bucket, key, version, value }).await.unwrap();
}

fn bytes(id: Uuid) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(id.as_bytes())
}

/// Creates a restricted model and answers its id.
async fn restricted(world: &World, name: &str) -> Uuid {
    let body = json!({
        "name": name,
        "restricted": true,
        "upstreams": [{"base_url": "http://127.0.0.1:9/v1"}],
    });
    let created = world.post("/api/v1/models", body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let id = created.json()["id"].as_str().unwrap().to_owned();
    id.parse::<maas_types::ModelId>().unwrap().uuid()
}

/// A GET of a user.
async fn ask(world: &World, user: UserId, path: &str) -> Reply {
    let token = format!("Bearer user:{user}:user");
    world.call_with("", Method::GET, path, None, &[("authorization", &token)]).await
}

async fn access_of(world: &World, user: UserId, name: &str) -> Option<Value> {
    let list = ask(world, user, "/api/v1/models").await.json();
    let models = list["data"].as_array().unwrap();
    models.iter().find(|model| model["name"] == name).map(|model| model["access"].clone())
}

#[actix_web::test]
async fn a_restricted_model_is_visible_with_what_the_request_has_come_to() {
    let world = World::sqlite(settings()).await;
    let model = restricted(&world, "guarded").await;
    let (user, id) = (UserId::from_uuid(Uuid::now_v7()), Uuid::now_v7());
    let asked = |reason: &str| json!({"callable": false, "reason": reason});
    assert_eq!(access_of(&world, user, "guarded").await, Some(asked("restricted")));
    for (version, status, shown) in [
        (1, SubscriptionStatus::Pending, asked("pending")),
        (2, SubscriptionStatus::Denied, asked("denied")),
        (3, SubscriptionStatus::Active, json!({"callable": true, "reason": null})),
        (4, SubscriptionStatus::Suspended, asked("suspended")),
        (5, SubscriptionStatus::Cancelled, asked("restricted")),
    ] {
        let state = SubscriptionState {
            id: bytes(id),
            version,
            user_id: bytes(user.uuid()),
            model_id: bytes(model),
            status: status.into(),
            ..SubscriptionState::default()
        };
        tell(&world, Bucket::Subscriptions, id, version, &state).await;
        eventually(PATIENCE, || async {
            (access_of(&world, user, "guarded").await.as_ref() == Some(&shown)).then_some(())
        })
        .await;
    }
    let other = UserId::from_uuid(Uuid::now_v7());
    assert_eq!(access_of(&world, other, "guarded").await, Some(asked("restricted")));
}

#[actix_web::test]
async fn what_the_plan_does_not_open_is_not_there() {
    let world = World::sqlite(settings()).await;
    let model = restricted(&world, "guarded").await;
    let (user, plan) = (UserId::from_uuid(Uuid::now_v7()), Uuid::now_v7());
    let state = PlanState {
        id: bytes(plan),
        version: 1,
        is_default: true,
        models: vec!["another".to_owned()],
        ..PlanState::default()
    };
    tell(&world, Bucket::Plans, plan, 1, &state).await;
    eventually(PATIENCE, || async { access_of(&world, user, "guarded").await.is_none().then_some(()) }).await;
    let path = format!("/api/v1/models/{}", maas_types::ModelId::from_uuid(model));
    assert_eq!(ask(&world, user, &path).await.status, 404);
    let earlier = ask(&world, user, "/maas-api/v1/models").await.json();
    assert_eq!(earlier["data"], json!([]));
    let shown = world.get("admin", &path).await.json();
    assert_eq!(shown["access"], json!({"callable": false, "reason": "not_in_plan"}));
}
