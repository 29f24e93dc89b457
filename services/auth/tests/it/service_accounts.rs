use serde_json::json;

use crate::world::{World, on_both_databases};

on_both_databases! {
    a_service_account_belongs_to_a_team_and_cannot_sign_in,
    owners_look_after_the_accounts_of_their_teams_only,
    a_disabled_or_deleted_account_is_told_to_the_proxies,
}

const PATH: &str = "/api/v1/service-accounts";

async fn a_service_account_belongs_to_a_team_and_cannot_sign_in(world: World) {
    let admin = world.admin().await;
    let team = world.post("/api/v1/teams", &admin, json!({"name": "search"})).await;
    let body = json!({"name": "nightly", "team_id": team.body["id"]});
    let created = world.post(PATH, &admin, body.clone()).await;
    assert_eq!((created.status.as_u16(), &created.body["kind"]), (201, &json!("service_account")));
    assert_eq!((&created.body["default_team_id"], &created.body["role"]), (&team.body["id"], &json!("user")));
    assert_eq!(world.post(PATH, &admin, body).await.code(), "already_exists");
    assert_eq!(world.sign_in("nightly", "").await.code(), "invalid_credentials");
    let user = format!("/api/v1/users/{}", created.body["id"].as_str().unwrap());
    assert_eq!(world.post(&format!("{user}/reset-password"), &admin, json!({})).await.status, 409);
    assert_eq!(world.patch(&user, &admin, json!({"role": "admin"})).await.status, 409);
    // It stays in the team that owns it, and the team stays while it owns something.
    let member = format!("{}/members/{}", team.header("location"), created.body["id"].as_str().unwrap());
    assert_eq!(world.delete(&member, &admin).await.code(), "conflict");
    assert_eq!(world.delete(team.header("location"), &admin).await.code(), "conflict");
    assert_eq!(world.delete(created.header("location"), &admin).await.status, 200);
    assert_eq!(world.delete(team.header("location"), &admin).await.status, 204);
}

async fn owners_look_after_the_accounts_of_their_teams_only(world: World) {
    let admin = world.admin().await;
    let (ada_id, ada) = world.person("ada", "user").await;
    let team = world.post("/api/v1/teams", &admin, json!({"name": "search", "owner_id": ada_id})).await.body;
    let other = world.post("/api/v1/teams", &admin, json!({"name": "other"})).await.body;
    let foreign = world.post(PATH, &admin, json!({"name": "foreign", "team_id": other["id"]})).await;
    let platform = world.post(PATH, &admin, json!({"name": "platform"})).await;
    for body in [json!({"name": "x"}), json!({"name": "x", "team_id": other["id"]})] {
        assert_eq!(world.post(PATH, &ada, body).await.pointer(), "/team_id");
    }
    let own = world.post(PATH, &ada, json!({"name": "own", "team_id": team["id"]})).await;
    assert_eq!(own.status, 201, "{}", own.body);
    let (_, ben) = world.person("ben", "user").await;
    assert_eq!(world.get(PATH, &ben).await.body["data"], json!([]));
    let listed = world.get(PATH, &ada).await.body;
    assert_eq!((listed["data"].as_array().unwrap().len(), &listed["data"][0]["user_name"]), (1, &json!("own")));
    assert_eq!(world.get(PATH, &admin).await.body["data"].as_array().unwrap().len(), 3);
    for path in [foreign.header("location"), platform.header("location")] {
        assert_eq!(world.get(path, &ada).await.status, 404);
        assert_eq!(world.patch(path, &ada, json!({"status": "disabled"})).await.status, 404);
        assert_eq!(world.delete(path, &ada).await.status, 404);
    }
    assert_eq!(
        world.patch(own.header("location"), &ada, json!({"status": "disabled"})).await.body["status"],
        "disabled"
    );
    assert_eq!(world.delete(own.header("location"), &ada).await.status, 200);
    // People are none of these.
    assert_eq!(world.delete(&format!("{PATH}/{ada_id}"), &admin).await.status, 404);
}

async fn a_disabled_or_deleted_account_is_told_to_the_proxies(world: World) {
    let admin = world.admin().await;
    let created = world.post(PATH, &admin, json!({"name": "nightly"})).await;
    let path = created.header("location");
    let disabled = world.patch(path, &admin, json!({"status": "disabled"})).await;
    assert_eq!(disabled.body["revocation"], json!({"confirmed": 0, "live": 0, "pending": []}));
    assert_eq!(world.patch(path, &admin, json!({"display_name": "N"})).await.body.get("revocation"), None);
    assert_eq!(world.delete(path, &admin).await.body["revocation"]["live"], 0);
    assert_eq!(world.get(path, &admin).await.status, 404);
}
