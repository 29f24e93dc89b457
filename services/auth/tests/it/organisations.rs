use serde_json::json;

use crate::world::{World, on_both_databases};

on_both_databases! {
    an_organisation_groups_teams_and_stays_while_there_is_one,
    only_admins_manage_organisations,
}

const PATH: &str = "/api/v1/organisations";

async fn an_organisation_groups_teams_and_stays_while_there_is_one(world: World) {
    let admin = world.admin().await;
    let first = &world.get(PATH, &admin).await.body["data"][0];
    assert_eq!((&first["name"], &first["is_default"]), (&json!("default"), &json!(true)));
    let default = format!("{PATH}/{}", first["id"].as_str().unwrap());
    assert_eq!(world.delete(&default, &admin).await.code(), "conflict");

    let created = world.post(PATH, &admin, json!({"name": "research"})).await;
    let (path, id) = (created.header("location"), created.body["id"].clone());
    assert_eq!(world.post(PATH, &admin, json!({"name": "research"})).await.code(), "already_exists");
    assert_eq!(world.patch(path, &admin, json!({"name": "labs"})).await.header("etag"), "\"2\"");
    let team = world.post("/api/v1/teams", &admin, json!({"name": "search", "organisation_id": id})).await;
    assert_eq!(world.delete(path, &admin).await.code(), "conflict");
    let listed = world.get(&format!("/api/v1/teams?organisation_id={}", id.as_str().unwrap()), &admin).await.body;
    assert_eq!(listed["data"][0]["name"], "search");
    let moved = json!({"organisation_id": first["id"]});
    assert_eq!(world.patch(team.header("location"), &admin, moved).await.status, 200);
    assert_eq!(world.delete(path, &admin).await.status, 204);
    assert_eq!(world.get(path, &admin).await.status, 404);
    let refused = world.patch(team.header("location"), &admin, json!({"organisation_id": id})).await;
    assert_eq!(refused.pointer(), "/organisation_id");
}

async fn only_admins_manage_organisations(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    let (_, eve) = world.person("eve", "admin-readonly").await;
    for (who, reads) in [(&ada, 403), (&eve, 200)] {
        assert_eq!(world.get(PATH, who).await.status.as_u16(), reads);
        assert_eq!(world.post(PATH, who, json!({"name": "x"})).await.status, 403);
    }
}
