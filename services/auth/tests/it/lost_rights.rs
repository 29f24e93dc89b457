//! What is taken away from somebody is counted as a revocation, which each proxy asks for.

use actix_web::http::Method;
use maas_events::revocation::Revocations;
use maas_types::UserId;
use prost::Message as _;
use serde_json::json;
use uuid::Uuid;

use crate::{
    corp::{Corp, me, with_corp_on_both_databases},
    world::{As, INTERNAL_TOKEN, World},
};

with_corp_on_both_databases! {
    whatever_somebody_loses_is_revoked_at_the_proxies,
    what_somebody_gains_is_no_revocation,
    a_proxy_that_does_not_confirm_is_named_to_who_disables_somebody,
}

/// The answer to a proxy that has taken over everything up to `after`.
async fn asked(world: &World, after: Option<&Revocations>) -> Revocations {
    let epoch = after.map(|after| format!("&epoch={}", Uuid::from_slice(&after.epoch).unwrap())).unwrap_or_default();
    let counter = after.map_or(0, |after| after.latest);
    let (instance, boot) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let path = format!(
        "/internal/v1/revocations?instance={instance}&boot={boot}&after={counter}&max_unconfirmed_ms=900000{epoch}"
    );
    let service = As::Token(INTERNAL_TOKEN.to_owned());
    let (status, _, body) = world.exchange(world.request(Method::GET, &path, &service)).await;
    assert_eq!(status, 200);
    Revocations::decode(body).unwrap()
}

/// Who lost something since `before`.
async fn losers(world: &World, before: &mut Revocations) -> Vec<Uuid> {
    let now = asked(world, Some(before)).await;
    let subjects = now.changes.iter().map(|change| Uuid::from_slice(&change.subject).unwrap()).collect();
    *before = now;
    subjects
}

fn id_of(me: &serde_json::Value) -> (String, Uuid) {
    let id = me["user"]["id"].as_str().unwrap();
    (id.to_owned(), id.parse::<UserId>().unwrap().uuid())
}

async fn whatever_somebody_loses_is_revoked_at_the_proxies(corp: Corp, world: World) {
    let admin = world.admin().await;
    let team = world.post("/api/v1/teams", &admin, json!({"name": "search"})).await;
    let mapping = world.post("/api/v1/group-mappings", &admin, json!({"group": "ops", "role": "admin"})).await;
    let ada = corp.sign_in(&world, "1", "ada", &["lunch", "ops"]).await;
    let (id, uuid) = id_of(&me(&world, &ada).await);
    let member = json!({"user_id": id, "role": "member"});
    let added = world.post(&format!("{}/members", team.header("location")), &admin, member).await;

    let mut seen = asked(&world, None).await;
    world.delete(added.header("location"), &admin).await;
    assert_eq!(losers(&world, &mut seen).await, [uuid], "out of the team");
    corp.sign_in(&world, "1", "ada", &["ops"]).await;
    assert_eq!(losers(&world, &mut seen).await, [uuid], "out of a group");
    world.delete(mapping.header("location"), &admin).await;
    assert_eq!(losers(&world, &mut seen).await, [uuid], "the group gives nothing any more");
    world.delete(&format!("/api/v1/users/{id}"), &admin).await;
    assert_eq!(losers(&world, &mut seen).await, [uuid], "deleted");
}

async fn what_somebody_gains_is_no_revocation(corp: Corp, world: World) {
    let admin = world.admin().await;
    let ada = corp.sign_in(&world, "1", "ada", &[]).await;
    let (id, _) = id_of(&me(&world, &ada).await);
    let mut seen = asked(&world, None).await;
    corp.sign_in(&world, "1", "ada", &["ops"]).await;
    world.post("/api/v1/group-mappings", &admin, json!({"group": "ops", "role": "admin-readonly"})).await;
    let changed = world.patch(&format!("/api/v1/users/{id}"), &admin, json!({"role": "admin"})).await;
    assert_eq!((changed.status.as_u16(), changed.body.get("revocation")), (200, None));
    assert_eq!(losers(&world, &mut seen).await, Vec::<Uuid>::new());
}

async fn a_proxy_that_does_not_confirm_is_named_to_who_disables_somebody(corp: Corp, world: World) {
    let ada = corp.sign_in(&world, "1", "ada", &[]).await;
    let (id, _) = id_of(&me(&world, &ada).await);
    let seen = asked(&world, None).await;
    asked(&world, Some(&seen)).await;
    let path = format!("/api/v1/users/{id}");
    let disabled = world.patch(&path, &world.admin().await, json!({"status": "disabled"})).await;
    let revocation = &disabled.body["revocation"];
    assert_eq!((&revocation["confirmed"], &revocation["live"]), (&json!(0), &json!(1)), "{revocation}");
    assert_eq!(revocation["pending"][0]["instance"], Uuid::from_u128(1).simple().to_string());
    assert!(revocation["pending"][0]["closes_at"].is_string());
    // The sessions have ended without waiting for anybody.
    assert_eq!(world.get("/api/v1/me", &ada).await.status, 401);
}
