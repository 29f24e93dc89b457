use actix_web::http::Method;
use serde_json::{Value, json};

use crate::{
    corp::{CORP, Corp, me, with_corp_on_both_databases},
    world::World,
};

with_corp_on_both_databases! {
    a_mapping_counts_for_everybody_at_once,
    a_dry_run_says_what_would_happen_and_does_nothing,
    many_people_change_in_one_go,
    a_mapping_gives_something_to_a_group_once,
    stale_changes_are_refused,
    a_deleted_team_takes_its_mappings_along,
}

const PATH: &str = "/api/v1/group-mappings";

async fn a_mapping_counts_for_everybody_at_once(corp: Corp, world: World) {
    let admin = world.admin().await;
    let ada = corp.sign_in(&world, "1", "ada", &["ops"]).await;
    let ben = corp.sign_in(&world, "2", "ben", &["sops"]).await;
    let created = world.post(PATH, &admin, json!({"group": "ops", "role": "admin"})).await;
    assert_eq!((created.status.as_u16(), &created.body["effect"]["roles_raised"]), (201, &json!(1)));
    assert_eq!((&me(&world, &ada).await["user"]["role"], created.header("etag")), (&json!("admin"), "\"1\""));

    // The other group instead: what the first one gave goes, what the second one gives comes.
    let path = created.header("location").to_owned();
    let replaced = put(&world, &path, None, json!({"group": "sops", "provider": CORP, "role": "admin-readonly"})).await;
    let effect = json!({"people": 2, "roles_raised": 1, "roles_lowered": 1, "teams_changed": 0});
    assert_eq!((replaced.0, &replaced.1["effect"]), (200, &effect));
    assert_eq!(me(&world, &ada).await["user"]["role"], "user");
    assert_eq!(me(&world, &ben).await["user"]["role"], "admin-readonly");

    assert_eq!(world.delete(&path, &admin).await.body["effect"]["roles_lowered"], 1);
    assert_eq!(me(&world, &ben).await["user"]["role"], "user");
    assert_eq!(world.get(&path, &admin).await.status, 404);
}

async fn put(world: &World, path: &str, if_match: Option<&str>, body: Value) -> (u16, Value) {
    let mut request = world.request(Method::PUT, path, &world.admin().await);
    if let Some(etag) = if_match {
        request = request.insert_header(("if-match", etag.to_owned()));
    }
    let answer = world.send(request.set_json(body)).await;
    (answer.status.as_u16(), answer.body)
}

async fn a_dry_run_says_what_would_happen_and_does_nothing(corp: Corp, world: World) {
    let admin = world.admin().await;
    let ada = corp.sign_in(&world, "1", "ada", &["ops"]).await;
    let mapping = json!({"group": "ops", "role": "admin"});
    let dry = world.post(&format!("{PATH}?dry_run=true"), &admin, mapping.clone()).await;
    assert_eq!(
        (dry.status.as_u16(), &dry.body["dry_run"], &dry.body["effect"]["people"]),
        (200, &json!(true), &json!(1))
    );
    assert_eq!(world.get(PATH, &admin).await.body["data"], json!([]));
    assert_eq!(me(&world, &ada).await["user"]["role"], "user");

    let path = world.post(PATH, &admin, mapping).await.header("location").to_owned();
    let dry = world.delete(&format!("{path}?dry_run=true"), &admin).await;
    assert_eq!(dry.body["effect"]["roles_lowered"], 1);
    assert_eq!(me(&world, &ada).await["user"]["role"], "admin");
}

async fn many_people_change_in_one_go(corp: Corp, world: World) {
    let admin = world.admin().await;
    // More than a batch.
    world.fill_users(1_203, "everyone").await;
    corp.sign_in(&world, "1", "ada", &["everyone"]).await;
    let team = world.post("/api/v1/teams", &admin, json!({"name": "all"})).await.body["id"].clone();
    let mapping = json!({"group": "everyone", "team": {"team_id": team, "role": "viewer"}});
    let created = world.post(PATH, &admin, mapping).await;
    assert_eq!(created.body["effect"]["teams_changed"], 1_204, "{}", created.body);
    let members = format!("/api/v1/teams/{}/members?limit=1000", team.as_str().unwrap());
    let first = world.get(&members, &admin).await.body;
    let rest = world.get(&format!("{members}&cursor={}", first["next_cursor"].as_str().unwrap()), &admin).await.body;
    assert_eq!(first["data"].as_array().unwrap().len() + rest["data"].as_array().unwrap().len(), 1_204);
    assert_eq!(world.delete(created.header("location"), &admin).await.body["effect"]["people"], 1_204);
    assert_eq!(world.get(&members, &admin).await.body["data"], json!([]));
}

async fn a_mapping_gives_something_to_a_group_once(_corp: Corp, world: World) {
    let admin = world.admin().await;
    let unknown = "team_00000000000070008000000000000009";
    for (body, pointer) in [
        (json!({"group": "ops"}), "/role"),
        (json!({"group": "", "role": "admin"}), "/group"),
        (json!({"group": "x".repeat(256), "role": "admin"}), "/group"),
        (json!({"group": "ops", "role": "king"}), "/role"),
        (json!({"group": "ops", "team": {"team_id": unknown, "role": "owner"}}), "/team/team_id"),
        (json!({"group": "ops", "role": "admin", "provider": ""}), "/provider"),
    ] {
        let refused = world.post(PATH, &admin, body.clone()).await;
        assert_eq!((refused.status.as_u16(), refused.pointer()), (400, pointer), "{body}: {}", refused.body);
    }
    let mapping = json!({"group": "ops", "role": "admin"});
    assert_eq!(world.post(PATH, &admin, mapping.clone()).await.status, 201);
    assert_eq!(world.post(PATH, &admin, mapping).await.code(), "already_exists");
    let of_one_provider = json!({"group": "ops", "provider": "corp", "role": "user"});
    assert_eq!(world.post(PATH, &admin, of_one_provider).await.status, 201);
    assert_eq!(world.get(&format!("{PATH}?group=ops&provider=corp"), &admin).await.body["data"][0]["role"], "user");
}

async fn stale_changes_are_refused(_corp: Corp, world: World) {
    let admin = world.admin().await;
    let created = world.post(PATH, &admin, json!({"group": "ops", "role": "admin"})).await;
    let path = created.header("location");
    assert_eq!(put(&world, path, Some("\"1\""), json!({"group": "dev", "role": "admin"})).await.0, 200);
    assert_eq!(put(&world, path, Some("\"1\""), json!({"group": "qa", "role": "admin"})).await.0, 412);
    let (_, ada) = world.person("ada", "admin-readonly").await;
    assert_eq!(world.get(path, &ada).await.body["group"], "dev");
    assert_eq!(world.delete(path, &ada).await.status, 403);
}

async fn a_deleted_team_takes_its_mappings_along(corp: Corp, world: World) {
    let admin = world.admin().await;
    let team = world.post("/api/v1/teams", &admin, json!({"name": "search"})).await;
    let mapping = json!({"group": "search", "team": {"team_id": team.body["id"], "role": "owner"}});
    assert_eq!(world.post(PATH, &admin, mapping).await.status, 201);
    let ada = corp.sign_in(&world, "1", "ada", &["search"]).await;
    assert_eq!(world.delete(team.header("location"), &admin).await.status, 204);
    assert_eq!(me(&world, &ada).await["teams"], json!([]));
    assert_eq!(world.get(PATH, &admin).await.body["data"], json!([]));
    assert_eq!(me(&world, &corp.sign_in(&world, "1", "ada", &["search"]).await).await["teams"], json!([]));
}
