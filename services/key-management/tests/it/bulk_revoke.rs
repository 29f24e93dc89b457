use maas_types::{TeamId, TeamRole};
use serde_json::{Value, json};

use crate::world::{Answer, NOW, Person, World};

on_both_databases! {
    a_dry_run_lists_what_would_go_and_changes_nothing
    every_criterion_narrows_what_is_revoked
    without_any_criterion_or_reason_nothing_is_revoked
    people_reach_their_own_keys_owners_their_team_s_and_admins_all
    each_revoked_key_is_published_and_audited
    more_keys_than_a_batch_are_revoked
}

async fn bulk(world: &World, person: Person, body: Value) -> Answer {
    let answer = world.post(person, "/api/v1/keys/bulk-revoke", body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer
}

/// Name and outcome of each key, by name.
fn items(answer: &Answer) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = answer.body["data"].as_array().unwrap();
    let mut items: Vec<_> = rows.iter().map(|row| (text(&row["name"]), text(&row["outcome"]))).collect();
    items.sort();
    items
}

fn outcome(names: &[&str], outcome: &str) -> Vec<(String, String)> {
    names.iter().map(|name| ((*name).to_owned(), outcome.to_owned())).collect()
}

async fn a_dry_run_lists_what_would_go_and_changes_nothing(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "test 1", "labels": {"stage": "test"}})).await;
    world.create(user, json!({"name": "live", "labels": {"stage": "live"}})).await;
    let answer = bulk(&world, user, json!({"labels": {"stage": "test"}, "reason": "cleanup", "dry_run": true})).await;
    assert_eq!(items(&answer), outcome(&["test 1"], "matched"));
    assert_eq!((&answer.body["dry_run"], &answer.body["has_more"]), (&json!(true), &json!(false)));
    assert_eq!(answer.body["revocation"], Value::Null);
    assert_eq!(world.get(user, &format!("/api/v1/keys/{id}")).await.etag(), "\"1\"");
}

async fn every_criterion_narrows_what_is_revoked(world: World) {
    let (user, other, admin) = (world.user(), world.user(), world.admin());
    let key = |name: &str, models: Value, stage: &str| json!({"name": name, "models": models, "labels": {"stage": stage, "n": name}});
    world.create(user, key("a", json!(["llama"]), "test")).await;
    world.create(user, key("b", json!(null), "test")).await;
    world.create(user, key("c", json!(["bge-m3"]), "live")).await;
    world.create(other, key("d", json!(["llama"]), "test")).await;
    for (criteria, expected) in [
        (json!({"model": "meta/llama"}), vec!["a", "d"]),
        (json!({"labels": {"stage": "test"}}), vec!["a", "b", "d"]),
        (json!({"labels": {"stage": "test", "n": "b"}}), vec!["b"]),
        (json!({"owner_id": user.id}), vec!["a", "b", "c"]),
        (json!({"owner_id": user.id, "model": "meta/llama", "labels": {"stage": "test"}}), vec!["a"]),
        (json!({"team_id": TeamId::new_at(NOW)}), vec![]),
    ] {
        let mut body = criteria.clone();
        body["reason"] = json!("cleanup");
        body["dry_run"] = json!(true);
        assert_eq!(items(&bulk(&world, admin, body).await), outcome(&expected, "matched"), "{criteria}");
    }
    let answer = bulk(&world, admin, json!({"model": "meta/llama", "reason": "the model goes"})).await;
    assert_eq!(items(&answer), outcome(&["a", "d"], "revoked"));
    let again = bulk(&world, admin, json!({"model": "meta/llama", "reason": "the model goes"})).await;
    assert_eq!((items(&again), &again.body["revocation"]), (vec![], &Value::Null));
}

async fn without_any_criterion_or_reason_nothing_is_revoked(world: World) {
    let user = world.user();
    world.create(user, json!({"name": "x"})).await;
    for (body, code) in [
        (json!({"reason": "x"}), "empty"),
        (json!({"reason": "x", "labels": {}}), "empty"),
        (json!({"owner_id": user.id, "reason": " "}), "empty"),
        (json!({"owner_id": user.id, "reason": "x".repeat(501)}), "too_long"),
        (json!({"owner_id": user.id}), "missing_field"),
        (json!({"owner_id": user.id, "reason": "x", "all": true}), "unknown_field"),
    ] {
        let refused = world.post(user, "/api/v1/keys/bulk-revoke", body.clone()).await;
        assert_eq!((refused.status.as_u16(), refused.faults()[0].1.as_str()), (400, code), "{body}");
    }
    let list = world.get(user, "/api/v1/keys?status=active").await;
    assert_eq!(list.body["data"].as_array().unwrap().len(), 1);
}

async fn people_reach_their_own_keys_owners_their_team_s_and_admins_all(world: World) {
    let team = TeamId::new_at(NOW);
    let (owner, member) = (world.member(team, TeamRole::Owner).await, world.member(team, TeamRole::Member).await);
    let stranger = world.user();
    let labels = json!({"stage": "test"});
    world.create(owner, json!({"name": "owner's own", "labels": labels})).await;
    world.create(member, json!({"name": "member's for the team", "team_id": team, "labels": labels})).await;
    world.create(member, json!({"name": "member's own", "labels": labels})).await;
    world.create(stranger, json!({"name": "stranger's", "labels": labels})).await;
    let matched = async |person: Person| {
        let body = json!({"labels": {"stage": "test"}, "reason": "x", "dry_run": true});
        items(&bulk(&world, person, body).await).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(matched(stranger).await, ["stranger's"]);
    assert_eq!(matched(member).await, ["member's for the team", "member's own"]);
    assert_eq!(matched(owner).await, ["member's for the team", "owner's own"]);
    assert_eq!(matched(world.admin()).await.len(), 4);
}

async fn each_revoked_key_is_published_and_audited(world: World) {
    let user = world.user();
    let (one, _) = world.create(user, json!({"name": "one"})).await;
    let (other, _) = world.create(user, json!({"name": "other"})).await;
    let answer = bulk(&world, user, json!({"owner_id": user.id, "reason": "the laptop is lost"})).await;
    assert_eq!(answer.body["revocation"]["pending"], json!([]));
    for id in [one, other] {
        assert_eq!(world.published(&id, 2).await.status(), maas_events::state::KeyStatus::Revoked);
        let after: Value = serde_json::from_str(&world.audited(&id, "key.revoke").await.after_json).unwrap();
        assert_eq!(after["revoke_reason"], json!("the laptop is lost"));
    }
}

async fn more_keys_than_a_batch_are_revoked(world: World) {
    let user = world.user();
    for number in 0..105 {
        world.create(user, json!({"name": format!("k{number}")})).await;
    }
    let answer = bulk(&world, user, json!({"owner_id": user.id, "reason": "cleanup"})).await;
    let revoked = items(&answer);
    assert_eq!((revoked.len(), revoked.iter().all(|(_, outcome)| outcome == "revoked")), (105, true));
    let left = world.get(user, "/api/v1/keys?status=active&total=true").await;
    assert_eq!(left.body["total"], json!(0));
}
