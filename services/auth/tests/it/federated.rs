use maas_bus::StateChange;
use maas_events::{Bucket, state::UserState};
use prost::Message as _;
use serde_json::{Value, json};

use crate::{
    corp::{CORP, Corp, me, with_corp_on_both_databases},
    world::{self, As, PATIENCE, World},
};

with_corp_on_both_databases! {
    rights_follow_groups_from_one_sign_in_to_the_next,
    people_are_never_merged_by_name,
    one_person_who_comes_twice_at_once_has_one_account,
    who_was_invited_by_name_joins,
    who_was_invited_by_subject_joins_whatever_their_name_is,
    a_disabled_person_is_refused_until_they_are_enabled,
    a_deleted_person_who_comes_again_is_somebody_new,
    proxies_hear_of_groups_and_teams,
}

async fn create_team(world: &World, name: &str) -> String {
    let created = world.post("/api/v1/teams", &world.admin().await, json!({"name": name, "cost_centre": "4711"})).await;
    assert_eq!(created.status, 201, "{}", created.body);
    created.body["id"].as_str().unwrap().to_owned()
}

async fn map(world: &World, mapping: Value) {
    let created = world.post("/api/v1/group-mappings", &world.admin().await, mapping).await;
    assert_eq!(created.status, 201, "{}", created.body);
}

async fn rights_follow_groups_from_one_sign_in_to_the_next(corp: Corp, world: World) {
    let team = create_team(&world, "search").await;
    map(&world, json!({"group": "auditors", "provider": CORP, "role": "admin-readonly"})).await;
    map(&world, json!({"group": "search", "team": {"team_id": team, "role": "member"}})).await;

    let ada = corp.sign_in(&world, "1", "ada", &["auditors", "search"]).await;
    let first = me(&world, &ada).await;
    assert_eq!((&first["user"]["role"], &first["user"]["granted_role"]), (&json!("admin-readonly"), &json!("user")));
    assert_eq!((&first["teams"][0]["name"], &first["teams"][0]["is_default"]), (&json!("search"), &json!(true)));
    assert_eq!(world.get("/api/v1/users", &ada).await.status, 200);

    // The groups are gone: so is what they gave, also for the session of before.
    let again = corp.sign_in(&world, "1", "ada", &["lunch"]).await;
    let second = me(&world, &again).await;
    assert_eq!(second["user"]["id"], first["user"]["id"]);
    assert_eq!((&second["user"]["role"], &second["teams"]), (&json!("user"), &json!([])));
    assert_eq!((&second["groups"], &second["user"]["default_team_id"]), (&json!(["lunch"]), &json!(null)));
    for session in [&ada, &again] {
        assert_eq!(world.get("/api/v1/users", session).await.status, 403);
    }
}

async fn people_are_never_merged_by_name(corp: Corp, world: World) {
    world.person("ada", "admin").await;
    for (subject, expected) in [("1", "ada (corp)"), ("2", "ada (corp 2)"), ("1", "ada (corp)")] {
        let session = corp.sign_in(&world, subject, "ada", &[]).await;
        let user = &me(&world, &session).await["user"];
        assert_eq!((&user["user_name"], &user["role"]), (&json!(expected), &json!("user")));
    }
}

async fn one_person_who_comes_twice_at_once_has_one_account(corp: Corp, world: World) {
    let (first, second) =
        tokio::join!(corp.sign_in(&world, "1", "ada", &["a"]), corp.sign_in(&world, "1", "ada", &["a"]));
    assert_eq!(me(&world, &first).await["user"]["id"], me(&world, &second).await["user"]["id"]);
}

async fn invite(world: &World, mut invitation: Value) -> Value {
    invitation["provider"] = json!(CORP);
    let invited = world.post("/api/v1/users/invite", &world.admin().await, invitation.clone()).await;
    assert_eq!((invited.status.as_u16(), &invited.body["status"]), (201, &json!("invited")), "{}", invited.body);
    let again = world.post("/api/v1/users/invite", &world.admin().await, invitation).await;
    assert_eq!(again.code(), "already_exists");
    invited.body
}

async fn who_was_invited_by_name_joins(corp: Corp, world: World) {
    let invited = invite(&world, json!({"provider_user_name": "ada", "role": "admin"})).await;
    let ada = me(&world, &corp.sign_in(&world, "1", "ada", &[]).await).await;
    assert_eq!((&ada["user"]["id"], &ada["user"]["role"]), (&invited["id"], &json!("admin")));
    assert_eq!(ada["user"]["status"], "active");
    // The invitation is used up: the next one of that name is somebody else.
    let other = me(&world, &corp.sign_in(&world, "2", "ada", &[]).await).await;
    assert_ne!(other["user"]["id"], invited["id"]);
    assert_eq!(other["user"]["role"], "user");
}

async fn who_was_invited_by_subject_joins_whatever_their_name_is(corp: Corp, world: World) {
    let invited = invite(&world, json!({"subject": "1"})).await;
    let stranger = me(&world, &corp.sign_in(&world, "2", "1", &[]).await).await;
    assert_ne!(stranger["user"]["id"], invited["id"]);
    let ada = me(&world, &corp.sign_in(&world, "1", "countess", &[]).await).await;
    assert_eq!(ada["user"]["id"], invited["id"]);
}

async fn a_disabled_person_is_refused_until_they_are_enabled(corp: Corp, world: World) {
    let ada = corp.sign_in(&world, "1", "ada", &[]).await;
    let path = format!("/api/v1/users/{}", me(&world, &ada).await["user"]["id"].as_str().unwrap());
    let admin = world.admin().await;
    assert_eq!(world.patch(&path, &admin, json!({"status": "disabled"})).await.status, 200);
    assert_eq!(world.get("/api/v1/me", &ada).await.status, 401);
    assert_eq!(corp.try_sign_in(&world, "1", "ada", &[]).await.unwrap_err(), "not_allowed");
    assert_eq!(world.patch(&path, &admin, json!({"status": "active"})).await.status, 200);
    corp.sign_in(&world, "1", "ada", &[]).await;
}

async fn a_deleted_person_who_comes_again_is_somebody_new(corp: Corp, world: World) {
    let ada = corp.sign_in(&world, "1", "ada", &["search"]).await;
    let before = me(&world, &ada).await["user"]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/users/{before}");
    assert_eq!(world.delete(&path, &world.admin().await).await.status, 200);
    assert_eq!(world.get("/api/v1/me", &ada).await.status, 401);
    let again = corp.sign_in(&world, "1", "ada", &[]).await;
    let user = &me(&world, &again).await["user"];
    assert_ne!(user["id"], json!(before));
    assert_eq!(user["user_name"], "ada");
}

async fn proxies_hear_of_groups_and_teams(corp: Corp, world: World) {
    let team = create_team(&world, "search").await;
    map(&world, json!({"group": "search", "team": {"team_id": team, "role": "owner"}})).await;
    let mut watch = world.bus.watch_state(Bucket::Users);
    corp.sign_in(&world, "1", "ada", &["search", "lunch"]).await;
    let heard = async {
        loop {
            let Some(StateChange::Value { value, .. }) = watch.next().await else { continue };
            let state = UserState::decode(value).unwrap();
            if state.user_name == "ada" {
                return state;
            }
        }
    };
    let state = tokio::time::timeout(PATIENCE, heard).await.unwrap();
    assert_eq!(state.groups, ["lunch", "search"]);
    assert_eq!((state.teams.len(), state.teams[0].role.as_str()), (1, "owner"));
    assert_eq!(state.default_team_id, state.teams[0].team_id);
    assert_eq!((state.cost_centre.as_str(), state.organisation_id.len()), ("4711", 16));
}

#[actix_web::test]
async fn only_the_allowed_groups_come_in_and_who_left_them_keeps_nothing_by_group() {
    let allow = |settings: &mut maas_auth::AuthSettings| settings.allowed_groups = vec!["llm-users".to_owned()];
    let (corp, world) = Corp::with_world(world::postgres().await, allow).await;
    map(&world, json!({"group": "ops", "role": "admin"})).await;
    assert_eq!(corp.try_sign_in(&world, "1", "ada", &["ops"]).await.unwrap_err(), "not_allowed");
    let admin = world.admin().await;
    assert_eq!(world.get("/api/v1/users?provider=corp", &admin).await.body["data"], json!([]));
    let ada = corp.sign_in(&world, "1", "ada", &["ops", "llm-users"]).await;
    assert_eq!(me(&world, &ada).await["user"]["role"], "admin");
    assert!(corp.try_sign_in(&world, "1", "ada", &["lunch"]).await.is_err());
    assert_eq!(me(&world, &ada).await["user"]["role"], "user");
}

#[actix_web::test]
async fn the_first_admins_are_those_that_the_settings_name() {
    let name = |settings: &mut maas_auth::AuthSettings| {
        let issuer = Some(settings.providers[0].url.clone());
        settings.bootstrap_admins = vec![
            maas_auth::BootstrapAdmin { issuer, subject: Some("1".to_owned()), ..Default::default() },
            maas_auth::BootstrapAdmin { group: Some("founders".to_owned()), ..Default::default() },
        ];
    };
    let (corp, world) = Corp::with_world(world::sqlite().await, name).await;
    for (subject, groups, role) in [("1", &[][..], "admin"), ("2", &["founders"], "admin"), ("3", &["1"], "user")] {
        let session = corp.sign_in(&world, subject, "ada", groups).await;
        assert_eq!(me(&world, &session).await["user"]["role"], role, "{subject}");
    }
    // Local people have no groups, whatever they are called.
    let (_, local) = world.person("1", "user").await;
    assert_eq!(world.get("/api/v1/users", &local).await.status, 403);
    assert!(matches!(local, As::Session { .. }));
}
