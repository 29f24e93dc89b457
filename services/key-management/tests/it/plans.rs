use maas_bus::{Bus as _, StateChange};
use maas_events::{Bucket, state::PlanState};
use maas_testkit::eventually;
use maas_types::Role;
use prost::Message as _;
use serde_json::{Value, json};

use crate::{
    access::{Catalogued, SUBSCRIPTIONS, tell_user},
    world::{DEADLINE, Person, World},
};

on_both_databases! {
    there_is_a_default_plan_from_the_start
    the_default_plan_moves_and_never_vanishes
    names_and_levels_are_taken_once
    a_person_has_the_highest_plan_of_their_groups
    what_the_plan_does_not_open_cannot_be_requested
    edits_are_checked_and_based_on_a_version
    plans_are_told_and_told_as_deleted
    only_admins_see_and_change_plans
}

const PLANS: &str = "/api/v1/plans";

async fn create(world: &World, body: Value) -> String {
    let answer = world.post(world.admin(), PLANS, body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body["id"].as_str().unwrap().to_owned()
}

async fn plans(world: &World) -> Vec<Value> {
    world.get(world.admin(), PLANS).await.body["data"].as_array().unwrap().clone()
}

async fn delete(world: &World, person: Person, id: &str) -> u16 {
    let request = actix_web::test::TestRequest::delete().uri(&format!("{PLANS}/{id}"));
    world.call(person.signs(request)).await.status.as_u16()
}

/// A person in these groups, known to the service.
async fn in_groups(world: &World, groups: &[&str], plan: &str) -> Person {
    let person = world.user();
    tell_user(world, person, 1, |state| state.groups = groups.iter().map(|&group| group.to_owned()).collect()).await;
    eventually(DEADLINE, || async {
        let mine = world.get(person, &format!("{PLANS}/mine")).await.body;
        (mine["name"] == json!(plan)).then_some(())
    })
    .await;
    person
}

async fn there_is_a_default_plan_from_the_start(world: World) {
    let plans = plans(&world).await;
    assert_eq!(plans.len(), 1);
    assert_eq!((&plans[0]["name"], &plans[0]["is_default"]), (&json!("default"), &json!(true)));
    assert_eq!(plans[0]["models"], Value::Null);
    let mine = world.get(world.user(), &format!("{PLANS}/mine")).await.body;
    assert_eq!((&mine["name"], mine.get("groups")), (&json!("default"), None));
}

async fn the_default_plan_moves_and_never_vanishes(world: World) {
    let old = plans(&world).await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(delete(&world, world.admin(), &old).await, 409);
    let path = format!("{PLANS}/{old}");
    assert_eq!(world.patch(world.admin(), &path, json!({"is_default": false})).await.status, 409);
    let new = create(&world, json!({"name": "everybody", "level": 5, "is_default": true})).await;
    let defaults: Vec<Value> = plans(&world).await.into_iter().filter(|plan| plan["is_default"] == true).collect();
    assert_eq!(defaults.iter().map(|plan| &plan["id"]).collect::<Vec<_>>(), [&json!(new)]);
    assert_eq!(delete(&world, world.admin(), &old).await, 204);
    assert_eq!(world.get(world.admin(), &path).await.status, 404);
    assert_eq!(delete(&world, world.admin(), &new).await, 409);
}

async fn names_and_levels_are_taken_once(world: World) {
    let id = create(&world, json!({"name": "staff", "level": 5})).await;
    for body in [json!({"name": "staff", "level": 6}), json!({"name": "lab", "level": 5})] {
        let answer = world.post(world.admin(), PLANS, body).await;
        assert_eq!((answer.status.as_u16(), &answer.body["code"]), (409, &json!("already_exists")));
    }
    assert_eq!(delete(&world, world.admin(), &id).await, 204);
    create(&world, json!({"name": "staff", "level": 5})).await;
}

async fn a_person_has_the_highest_plan_of_their_groups(world: World) {
    create(&world, json!({"name": "staff", "level": 5, "groups": ["staff"]})).await;
    create(&world, json!({"name": "lab", "level": 9, "groups": ["lab", "lab-guests"]})).await;
    in_groups(&world, &["staff"], "staff").await;
    in_groups(&world, &["staff", "lab-guests"], "lab").await;
    in_groups(&world, &["others"], "default").await;
}

async fn what_the_plan_does_not_open_cannot_be_requested(world: World) {
    Catalogued::open("large", &world).await;
    Catalogued::open("small", &world).await;
    let default = plans(&world).await[0]["id"].as_str().unwrap().to_owned();
    let narrowed = world.patch(world.admin(), &format!("{PLANS}/{default}"), json!({"models": ["small-alias"]})).await;
    assert_eq!(narrowed.body["models"], json!(["small"]), "{}", narrowed.body);
    create(&world, json!({"name": "staff", "level": 5, "groups": ["staff"], "models": ["large"]})).await;
    let staff = in_groups(&world, &["staff"], "staff").await;
    let user = world.user();
    let ask = |person, model: &str| world.post(person, SUBSCRIPTIONS, json!({"model": model}));
    assert_eq!(ask(user, "large").await.faults(), [("/model".to_owned(), "unknown_model".to_owned())]);
    assert_eq!(ask(user, "small").await.status, 201);
    assert_eq!(ask(staff, "large").await.status, 201);
    assert_eq!(ask(staff, "small").await.status, 400);
}

async fn edits_are_checked_and_based_on_a_version(world: World) {
    let id = create(&world, json!({"name": "staff", "level": 5})).await;
    let path = format!("{PLANS}/{id}");
    for (body, pointer) in [
        (json!({"models": []}), "/models"),
        (json!({"models": ["unheard-of"]}), "/models/0"),
        (json!({"groups": ["a", " "]}), "/groups/1"),
        (json!({"level": 1_000_001}), "/level"),
        (json!({"name": ""}), "/name"),
        (json!({"limits": {}}), "/limits"),
    ] {
        assert_eq!(world.patch(world.admin(), &path, body).await.faults()[0].0, pointer);
    }
    let edit = |etag: &str| {
        let request = actix_web::test::TestRequest::patch().uri(&path).insert_header(("if-match", etag));
        world.call(world.admin().signs(request).set_json(json!({"level": 6})))
    };
    assert_eq!(edit("\"1\"").await.etag(), "\"2\"");
    assert_eq!(edit("\"1\"").await.status, 412);
    assert_eq!(edit("\"2\"").await.etag(), "\"2\"", "nothing changes");
}

async fn plans_are_told_and_told_as_deleted(world: World) {
    let id = create(&world, json!({"name": "staff", "level": 5, "groups": ["staff"], "models": ["bge-m3"]})).await;
    let state = published(&world, &id, 1).await;
    assert_eq!((state.level, state.all_models, state.models), (5, false, vec!["bge-m3".to_owned()]));
    assert_eq!((state.groups, state.deleted), (vec!["staff".to_owned()], false));
    assert_eq!(delete(&world, world.admin(), &id).await, 204);
    assert!(published(&world, &id, 2).await.deleted);
    assert_eq!(world.audited(&id, "plan.delete").await.outcome, "success");
}

async fn published(world: &World, id: &str, version: u64) -> PlanState {
    let name = id.strip_prefix("pln_").unwrap();
    let mut watch = world.bus.watch_state(Bucket::Plans);
    let found = async {
        loop {
            match watch.next().await.unwrap() {
                StateChange::Value { key, version: held, value } if key == name && held >= version => {
                    return PlanState::decode(value).unwrap();
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(DEADLINE, found).await.expect("the state was not published")
}

async fn only_admins_see_and_change_plans(world: World) {
    let id = create(&world, json!({"name": "staff", "level": 5})).await;
    let (user, auditor) = (world.user(), world.person(Role::AdminReadonly));
    assert_eq!(world.get(user, PLANS).await.status, 403);
    assert_eq!(world.get(auditor, PLANS).await.status, 200);
    for person in [user, auditor] {
        assert_eq!(world.post(person, PLANS, json!({"name": "x", "level": 1})).await.status, 403);
        assert_eq!(world.patch(person, &format!("{PLANS}/{id}"), json!({"level": 1})).await.status, 403);
        assert_eq!(delete(&world, person, &id).await, 403);
    }
}
