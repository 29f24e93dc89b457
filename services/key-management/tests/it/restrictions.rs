use maas_events::state::KeyState;
use maas_types::{TeamId, TeamRole};
use serde_json::{Value, json};

use crate::world::{NOW, World};

on_both_databases! {
    networks_and_operations_reach_the_proxies
    an_edit_narrows_and_widens
    faulty_restrictions_are_refused
    a_team_wants_its_members
}

fn restrictions(state: &KeyState) -> (Vec<&str>, Vec<&str>) {
    (
        state.allowed_cidrs.iter().map(String::as_str).collect(),
        state.allowed_operations.iter().map(String::as_str).collect(),
    )
}

async fn networks_and_operations_reach_the_proxies(world: World) {
    let user = world.user();
    let body = json!({"name": "x", "allowed_cidrs": ["10.0.0.0/8", "192.0.2.7"], "allowed_operations": ["embeddings", "chat", "chat"]});
    let (id, _) = world.create(user, body).await;
    let key = world.get(user, &format!("/api/v1/keys/{id}")).await.body;
    assert_eq!(key["allowed_cidrs"], json!(["10.0.0.0/8", "192.0.2.7/32"]));
    assert_eq!(key["allowed_operations"], json!(["chat", "embeddings"]));
    let state = world.published(&id, 1).await;
    assert_eq!(restrictions(&state), (vec!["10.0.0.0/8", "192.0.2.7/32"], vec!["chat", "embeddings"]));
    let (open, _) = world.create(user, json!({"name": "open"})).await;
    let key = world.get(user, &format!("/api/v1/keys/{open}")).await.body;
    assert_eq!((&key["allowed_cidrs"], &key["allowed_operations"]), (&Value::Null, &Value::Null));
    assert_eq!(restrictions(&world.published(&open, 1).await), (vec![], vec![]));
}

async fn an_edit_narrows_and_widens(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    let path = format!("/api/v1/keys/{id}");
    let narrowed =
        world.patch(user, &path, json!({"allowed_cidrs": ["fd00::/8"], "allowed_operations": ["chat"]})).await;
    assert_eq!(narrowed.body["allowed_cidrs"], json!(["fd00::/8"]));
    let renamed = world.patch(user, &path, json!({"name": "y"})).await;
    assert_eq!(renamed.body["allowed_operations"], json!(["chat"]), "what is left out stays");
    let widened = world.patch(user, &path, json!({"allowed_cidrs": null, "allowed_operations": null})).await;
    assert_eq!((&widened.body["allowed_cidrs"], &widened.body["allowed_operations"]), (&Value::Null, &Value::Null));
    assert_eq!(restrictions(&world.published(&id, 4).await), (vec![], vec![]));
}

async fn faulty_restrictions_are_refused(world: World) {
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    for (fields, pointer, code) in [
        (json!({"allowed_cidrs": []}), "/allowed_cidrs", "empty"),
        (json!({"allowed_cidrs": ["10.0.0.0/8", "10.0.0.0/33"]}), "/allowed_cidrs/1", "invalid_network"),
        (json!({"allowed_cidrs": vec!["10.0.0.0/8"; 51]}), "/allowed_cidrs", "too_many"),
        (json!({"allowed_operations": []}), "/allowed_operations", "empty"),
        (json!({"allowed_operations": ["dream"]}), "/allowed_operations/0", "unknown_operation"),
    ] {
        let mut create = fields.clone();
        create["name"] = json!("x");
        let expected = [(pointer.to_owned(), code.to_owned())];
        assert_eq!(world.post(user, "/api/v1/keys", create).await.faults(), expected, "{fields}");
        assert_eq!(
            world.patch(user, &format!("/api/v1/keys/{id}"), fields.clone()).await.faults(),
            expected,
            "{fields}"
        );
    }
    assert_eq!(world.get(user, &format!("/api/v1/keys/{id}")).await.etag(), "\"1\"");
}

async fn a_team_wants_its_members(world: World) {
    let (team, other_team) = (TeamId::new_at(NOW), TeamId::new_at(NOW));
    let member = world.member(team, TeamRole::Member).await;
    let viewer = world.member(team, TeamRole::Viewer).await;
    let (id, _) = world.create(member, json!({"name": "x", "team_id": team})).await;
    assert_eq!(world.published(&id, 1).await.team_id.as_ref(), team.uuid().as_bytes());
    let refusal = [("/team_id".to_owned(), "not_a_member".to_owned())];
    for (person, team) in [(viewer, team), (member, other_team)] {
        let body = json!({"name": "x", "team_id": team});
        assert_eq!(world.post(person, "/api/v1/keys", body).await.faults(), refusal);
    }
    let path = format!("/api/v1/keys/{id}");
    assert_eq!(world.patch(member, &path, json!({"team_id": other_team})).await.faults(), refusal);
    assert_eq!(world.patch(member, &path, json!({"team_id": null})).await.body["team_id"], Value::Null);
    let back = world.patch(member, &path, json!({"team_id": team})).await;
    assert_eq!(back.body["team_id"], json!(team), "{}", back.body);
}
