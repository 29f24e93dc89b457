use actix_web::http::Method;
use maas_bus::StateChange;
use maas_events::{
    Bucket,
    state::{TeamState, UserState},
};
use prost::Message as _;
use serde_json::{Value, json};

use crate::world::{Answer, As, PATIENCE, World, on_both_databases};

on_both_databases! {
    a_team_is_created_found_and_changed,
    an_owner_looks_after_members_and_description_and_nothing_else,
    who_is_not_in_a_team_does_not_learn_of_it,
    a_team_keeps_an_owner_unless_an_admin_says_otherwise,
    of_two_owners_who_remove_each_other_one_stays,
    a_change_on_an_older_state_of_the_team_is_refused,
    who_leaves_the_default_team_books_to_the_next_one,
    a_new_cost_centre_reaches_everybody_who_books_to_the_team,
    nobody_is_left_in_a_deleted_team,
    a_default_team_is_one_that_the_user_may_use,
}

const PATH: &str = "/api/v1/teams";

async fn team(world: &World, name: &str, owner: Option<&str>) -> Answer {
    let body = json!({"name": name, "cost_centre": "4711", "owner_id": owner});
    let created = world.post(PATH, &world.admin().await, body).await;
    assert_eq!(created.status, 201, "{}", created.body);
    created
}

async fn add(world: &World, team: &Answer, who: &As, body: Value) -> Answer {
    world.post(&format!("{}/members", team.header("location")), who, body).await
}

/// In the order of the alphabet: what is made within a millisecond has no other.
fn names(page: &Value) -> Vec<&str> {
    let rows = page["data"].as_array().unwrap().iter();
    let mut names: Vec<&str> = rows.map(|row| row["user_name"].as_str().or(row["name"].as_str()).unwrap()).collect();
    names.sort_unstable();
    names
}

async fn a_team_is_created_found_and_changed(world: World) {
    let admin = world.admin().await;
    let search = team(&world, "search", None).await;
    world.clock.advance(std::time::Duration::from_millis(5));
    team(&world, "find", None).await;
    assert_eq!(world.post(PATH, &admin, json!({"name": "search"})).await.code(), "already_exists");
    for (filter, expected) in [("q=EAR", vec!["search"]), ("cost_centre=4711&limit=1", vec!["find"]), ("q=%25", vec![])]
    {
        assert_eq!(names(&world.get(&format!("{PATH}?{filter}"), &admin).await.body), expected, "{filter}");
    }
    let changed = world.patch(search.header("location"), &admin, json!({"name": "seek", "cost_centre": ""})).await;
    assert_eq!((&changed.body["name"], changed.header("etag")), (&json!("seek"), "\"2\""));
    for (body, pointer) in [
        (json!({"name": ""}), "/name"),
        (json!({"description": "x".repeat(2_001)}), "/description"),
        (json!({"cost_centre": "a\u{0}b"}), "/cost_centre"),
        (json!({"colour": "red"}), "/colour"),
    ] {
        let refused = world.patch(search.header("location"), &admin, body).await;
        assert_eq!((refused.status.as_u16(), refused.pointer()), (400, pointer));
    }
    let nobody = "usr_00000000000070008000000000000009";
    let refused = world.post(PATH, &admin, json!({"name": "x", "owner_id": nobody})).await;
    assert_eq!(refused.pointer(), "/user_id");
    assert_eq!(names(&world.get(&format!("{PATH}?q=x"), &admin).await.body), Vec::<&str>::new());
}

async fn an_owner_looks_after_members_and_description_and_nothing_else(world: World) {
    let (ada_id, ada) = world.person("ada", "user").await;
    let (ben_id, ben) = world.person("ben", "user").await;
    let search = team(&world, "search", Some(&ada_id)).await;
    let path = search.header("location");
    // An owner cannot look people up, and need not.
    let added = add(&world, &search, &ada, json!({"user_name": "ben", "role": "viewer"})).await;
    assert_eq!((added.status.as_u16(), &added.body["user_id"]), (201, &json!(ben_id)));
    assert_eq!(add(&world, &search, &ada, json!({"user_id": ben_id, "role": "owner"})).await.code(), "already_exists");
    let unknown = add(&world, &search, &ada, json!({"user_name": "nobody", "role": "viewer"})).await;
    assert_eq!(unknown.pointer(), "/user_id");
    let member = added.header("location");
    assert_eq!(world.patch(member, &ada, json!({"role": "member"})).await.body["role"], "member");
    assert_eq!(world.patch(path, &ada, json!({"description": "ours"})).await.body["description"], "ours");
    for change in [json!({"name": "x"}), json!({"cost_centre": "1"})] {
        assert_eq!(world.patch(path, &ada, change).await.status, 403);
    }
    assert_eq!(world.delete(path, &ada).await.status, 403);
    assert_eq!(world.post(PATH, &ada, json!({"name": "y"})).await.status, 403);
    // A member sees the team, and changes nothing.
    assert_eq!(names(&world.get(&format!("{path}/members"), &ben).await.body), ["ada", "ben"]);
    assert_eq!(world.delete(member, &ben).await.status, 403);
    assert_eq!(world.patch(path, &ben, json!({"description": "x"})).await.status, 403);
    assert_eq!(world.delete(member, &ada).await.status, 204);
    assert_eq!(world.get(path, &ben).await.status, 404);
}

async fn who_is_not_in_a_team_does_not_learn_of_it(world: World) {
    let (ada_id, ada) = world.person("ada", "user").await;
    let (_, eve) = world.person("eve", "admin-readonly").await;
    let (other, own) = (team(&world, "other", None).await, team(&world, "own", Some(&ada_id)).await);
    let path = other.header("location");
    assert_eq!(names(&world.get(PATH, &ada).await.body), ["own"]);
    assert_eq!(world.get(&format!("{PATH}?member_id={}", world.admin.user_id), &ada).await.body["data"], json!([]));
    for path in [path.to_owned(), format!("{path}/members")] {
        assert_eq!(world.get(&path, &ada).await.status, 404);
        assert_eq!(world.get(&path, &eve).await.status, 200);
    }
    assert_eq!(world.patch(path, &ada, json!({"description": "x"})).await.status, 404);
    assert_eq!(add(&world, &other, &ada, json!({"user_id": ada_id, "role": "owner"})).await.status, 404);
    // Who reads everything writes nothing: to them it is a team that they are not in.
    assert_eq!(add(&world, &own, &eve, json!({"user_id": ada_id, "role": "owner"})).await.status, 404);
}

async fn a_team_keeps_an_owner_unless_an_admin_says_otherwise(world: World) {
    let (ada_id, ada) = world.person("ada", "user").await;
    let search = team(&world, "search", Some(&ada_id)).await;
    let own = format!("{}/members/{ada_id}", search.header("location"));
    assert_eq!(world.patch(&own, &ada, json!({"role": "member"})).await.code(), "conflict");
    assert_eq!(world.delete(&own, &ada).await.code(), "conflict");
    assert_eq!(world.get(search.header("location"), &ada).await.status, 200);
    assert_eq!(world.delete(&own, &world.admin().await).await.status, 204);
    assert_eq!(world.delete(&own, &world.admin().await).await.status, 404);
}

async fn of_two_owners_who_remove_each_other_one_stays(world: World) {
    let (ada_id, ada) = world.person("ada", "user").await;
    let (ben_id, ben) = world.person("ben", "user").await;
    let search = team(&world, "search", Some(&ada_id)).await;
    add(&world, &search, &ada, json!({"user_id": ben_id, "role": "owner"})).await;
    let member = |id: &str| format!("{}/members/{id}", search.header("location"));
    let (remove_ben, remove_ada) = (member(&ben_id), member(&ada_id));
    let (first, second) = tokio::join!(world.delete(&remove_ben, &ada), world.delete(&remove_ada, &ben));
    let removed = [&first, &second].into_iter().filter(|answer| answer.status == 204).count();
    assert_eq!(removed, 1, "{first:?} {second:?}");
}

async fn a_change_on_an_older_state_of_the_team_is_refused(world: World) {
    let (ada_id, ada) = world.person("ada", "user").await;
    let search = team(&world, "search", None).await;
    let path = search.header("location");
    let added = add(&world, &search, &world.admin().await, json!({"user_id": ada_id, "role": "owner"})).await;
    assert_eq!(added.header("etag"), "\"2\"");
    let with = |method: Method, path: &str, etag: &str| {
        world.request(method, path, &ada).insert_header(("if-match", etag.to_owned()))
    };
    let stale = with(Method::PATCH, path, "\"1\"").set_json(json!({"description": "x"}));
    assert_eq!(world.send(stale).await.code(), "etag_mismatch");
    assert_eq!(world.send(with(Method::DELETE, added.header("location"), "\"1\"")).await.code(), "etag_mismatch");
    let fresh = with(Method::PATCH, path, "\"2\"").set_json(json!({"description": "x"}));
    assert_eq!(world.send(fresh).await.header("etag"), "\"3\"");
}

async fn who_leaves_the_default_team_books_to_the_next_one(world: World) {
    let admin = world.admin().await;
    let (ada_id, _) = world.person("ada", "user").await;
    let path = format!("/api/v1/users/{ada_id}");
    let one = team(&world, "one", Some(&ada_id)).await;
    world.clock.advance(std::time::Duration::from_millis(5));
    let two = team(&world, "two", Some(&ada_id)).await;
    let default = async || world.get(&path, &admin).await.body["default_team_id"].clone();
    assert_eq!(default().await, one.body["id"]);
    let chosen = world.patch(&path, &admin, json!({"default_team_id": two.body["id"]})).await;
    assert_eq!(chosen.body["default_team_id"], two.body["id"]);
    world.delete(&format!("{}/members/{ada_id}", two.header("location")), &admin).await;
    assert_eq!(default().await, one.body["id"]);
    world.delete(&format!("{}/members/{ada_id}", one.header("location")), &admin).await;
    assert_eq!(default().await, json!(null));
}

async fn a_new_cost_centre_reaches_everybody_who_books_to_the_team(world: World) {
    let (ada_id, _) = world.person("ada", "user").await;
    let search = team(&world, "search", Some(&ada_id)).await;
    let (mut users, mut teams) = (world.bus.watch_state(Bucket::Users), world.bus.watch_state(Bucket::Teams));
    let change = json!({"cost_centre": "0815"});
    assert_eq!(world.patch(search.header("location"), &world.admin().await, change).await.status, 200);
    let user = async {
        let is_ada = |state: &UserState| (state.user_name.as_str(), state.cost_centre.as_str()) == ("ada", "0815");
        while !matches!(users.next().await, Some(StateChange::Value { value, .. }) if is_ada(&UserState::decode(value.clone()).unwrap()))
        {
        }
    };
    let team = async {
        let is_it = |state: &TeamState| state.cost_centre == "0815";
        while !matches!(teams.next().await, Some(StateChange::Value { value, .. }) if is_it(&TeamState::decode(value.clone()).unwrap()))
        {
        }
    };
    let heard = async { tokio::join!(user, team) };
    tokio::time::timeout(PATIENCE, heard).await.expect("both hear of it");
}

async fn nobody_is_left_in_a_deleted_team(world: World) {
    let admin = world.admin().await;
    let (ada_id, ada) = world.person("ada", "user").await;
    let search = team(&world, "search", Some(&ada_id)).await;
    let path = search.header("location");
    assert_eq!(world.delete(path, &admin).await.status, 204);
    for (path, status) in [(path.to_owned(), 404), (format!("{path}/members"), 404)] {
        assert_eq!(world.get(&path, &admin).await.status.as_u16(), status);
    }
    let me = world.get("/api/v1/me", &ada).await.body;
    assert_eq!((&me["teams"], &me["user"]["default_team_id"]), (&json!([]), &json!(null)));
    // The name is free again.
    team(&world, "search", None).await;
}

async fn a_default_team_is_one_that_the_user_may_use(world: World) {
    let admin = world.admin().await;
    let (ada_id, _) = world.person("ada", "user").await;
    let search = team(&world, "search", None).await;
    let path = format!("/api/v1/users/{ada_id}");
    let choose = json!({"default_team_id": search.body["id"]});
    assert_eq!(world.patch(&path, &admin, choose.clone()).await.pointer(), "/default_team_id");
    add(&world, &search, &admin, json!({"user_id": ada_id, "role": "viewer"})).await;
    assert_eq!(world.patch(&path, &admin, choose).await.pointer(), "/default_team_id");
}
