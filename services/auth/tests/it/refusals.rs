use actix_web::http::Method;
use maas_testkit::eventually;
use serde_json::{Value, json};

use crate::world::{As, PATIENCE, World, on_both_databases};

on_both_databases! {
    a_refused_call_is_in_the_book,
    a_call_from_a_foreign_page_is_in_the_book,
    an_api_key_on_the_control_plane_is_in_the_book_without_its_secret,
    trying_ids_of_others_is_in_the_book,
    many_refusals_are_written_as_a_number,
    strangers_are_not_in_the_book,
}

/// Refusals, once there are this many.
async fn refusals(world: &World, count: usize) -> Vec<Value> {
    let admin = world.admin().await;
    eventually(PATIENCE, || async {
        let page = world.get("/api/v1/audit?action=call.refuse&limit=1000", &admin).await;
        let entries = page.body["data"].as_array().unwrap().clone();
        (entries.len() >= count).then_some(entries)
    })
    .await
}

async fn a_refused_call_is_in_the_book(world: World) {
    let (id, ada) = world.person("ada", "user").await;
    let refused = world.post("/api/v1/users", &ada, json!({"user_name": "eve"})).await;
    assert_eq!(refused.status, 403);
    let entry = &refusals(&world, 1).await[0];
    assert_eq!((&entry["actor_id"], &entry["actor_name"]), (&json!(id), &json!("ada")));
    assert_eq!((&entry["resource_id"], &entry["outcome"]), (&json!("POST /api/v1/users"), &json!("denied")));
    assert_eq!((&entry["service"], &entry["address"]), (&json!("auth"), &json!("192.0.2.17")));
    assert_eq!(entry["after"], json!({"code": "permission_denied", "permission": "users.manage", "id": null}));
    assert_eq!(entry["request_id"], refused.body["request_id"]);
}

async fn a_call_from_a_foreign_page_is_in_the_book(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    let As::Session { cookie, .. } = ada else { panic!("people have sessions") };
    let forged = As::Session { cookie, csrf: "guessed".to_owned() };
    assert_eq!(world.delete("/api/v1/sessions", &forged).await.code(), "csrf_refused");
    let entry = &refusals(&world, 1).await[0];
    assert_eq!((&entry["actor_name"], &entry["after"]["code"]), (&json!("ada"), &json!("csrf_refused")));
}

async fn an_api_key_on_the_control_plane_is_in_the_book_without_its_secret(world: World) {
    let key = maas_keys::PlainKey::generate().unwrap();
    let refused = world.get("/api/v1/users", &As::Token(key.expose().to_owned())).await;
    assert_eq!(refused.code(), "api_key_not_allowed");
    world.get("/api/v1/users", &As::Token("sk-maas-no-key-at-all".to_owned())).await;
    let entries = refusals(&world, 2).await;
    let mut names: Vec<&str> = entries.iter().map(|entry| entry["actor_name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["API key", &format!("API key {}", key.public_id())]);
    assert!(entries.iter().all(|entry| entry["actor_kind"] == "system" && entry["actor_id"].is_null()));
    assert!(!json!(entries).to_string().contains(key.expose()));
}

async fn trying_ids_of_others_is_in_the_book(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    let foreign = "team_019a9c3b5f0e7c42a1d38b6f0c9e4a57";
    let change = json!({"description": "mine now"});
    assert_eq!(world.patch(&format!("/api/v1/teams/{foreign}"), &ada, change).await.status, 404);
    let entry = &refusals(&world, 1).await[0];
    assert_eq!((&entry["after"]["code"], &entry["after"]["id"]), (&json!("not_found"), &json!(foreign)));
    assert_eq!(entry["resource_id"], "PATCH /api/v1/teams/{id}");
}

async fn many_refusals_are_written_as_a_number(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    for _ in 0..30 {
        assert_eq!(world.get("/api/v1/users", &ada).await.status, 403);
    }
    assert_eq!(refusals(&world, 20).await.len(), 20);
    world.clock.advance(std::time::Duration::from_secs(61));
    let entries = refusals(&world, 21).await;
    let rest: Vec<&Value> = entries.iter().filter(|entry| !entry["after"]["more"].is_null()).collect();
    assert_eq!((rest.len(), &rest[0]["after"]["more"], &rest[0]["actor_name"]), (1, &json!(10), &json!("ada")));
}

async fn strangers_are_not_in_the_book(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    assert_eq!(world.get("/api/v1/users", &As::Nobody).await.status, 401);
    let unknown = As::Session { cookie: "nobody's".to_owned(), csrf: "x".to_owned() };
    let request = world.request(Method::DELETE, "/api/v1/sessions", &unknown);
    assert_eq!(world.send(request).await.status, 403);
    assert_eq!(world.get("/api/v1/users", &ada).await.status, 403);
    assert_eq!(refusals(&world, 1).await.len(), 1);
}
