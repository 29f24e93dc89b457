use maas_types::{TeamId, TeamRole};
use serde_json::json;

use crate::world::{NOW, World};

on_both_databases! {
    owners_of_a_team_see_and_stop_its_keys_and_no_more
    owners_of_a_team_have_the_keys_of_its_service_accounts
}

async fn owners_of_a_team_see_and_stop_its_keys_and_no_more(world: World) {
    let team = TeamId::new_at(NOW);
    let (owner, member) = (world.member(team, TeamRole::Owner).await, world.member(team, TeamRole::Member).await);
    let (team_key, _) = world.create(member, json!({"name": "for the team", "team_id": team})).await;
    let (own_key, _) = world.create(member, json!({"name": "own"})).await;
    let (path, own_path) = (format!("/api/v1/keys/{team_key}"), format!("/api/v1/keys/{own_key}"));
    assert_eq!(world.get(owner, &path).await.status, 200);
    assert_eq!(world.get(owner, &own_path).await.status, 404);
    assert_eq!(world.patch(owner, &path, json!({"name": "y"})).await.status, 403);
    assert_eq!(
        world.act(owner, &format!("{path}/rotate")).await.status,
        403,
        "it would show a secret of somebody else"
    );
    assert_eq!(world.act(owner, &format!("{path}/block")).await.body["status"], json!("blocked"));
    assert_eq!(world.act(owner, &format!("{path}/unblock")).await.status, 200);
    assert_eq!(world.act(owner, &format!("{path}/revoke")).await.body["status"], json!("revoked"));
    let other_member = world.member(team, TeamRole::Member).await;
    assert_eq!(world.get(other_member, &path).await.status, 404, "members do not see each other's keys");
    let on_behalf = json!({"name": "x", "owner_id": member.id, "team_id": team});
    assert_eq!(world.post(owner, "/api/v1/keys", on_behalf).await.status, 403);
}

async fn owners_of_a_team_have_the_keys_of_its_service_accounts(world: World) {
    let (team, other_team) = (TeamId::new_at(NOW), TeamId::new_at(NOW));
    let (owner, stranger) =
        (world.member(team, TeamRole::Owner).await, world.member(other_team, TeamRole::Owner).await);
    let account = world.service_account(team).await;
    let body = json!({"name": "ci", "owner_id": account.id, "team_id": team});
    assert_eq!(world.post(stranger, "/api/v1/keys", body.clone()).await.status, 403);
    let (id, _) = world.create(owner, body).await;
    let path = format!("/api/v1/keys/{id}");
    let key = world.get(owner, &path).await.body;
    assert_eq!((&key["owner_kind"], &key["created_by"]), (&json!("service_account"), &json!(owner.id)));
    assert_eq!(world.patch(owner, &path, json!({"name": "ci 2"})).await.status, 200);
    assert_eq!(world.act(owner, &format!("{path}/rotate")).await.status, 200);
    assert_eq!(world.get(stranger, &path).await.status, 404);
    let list = world.get(owner, "/api/v1/keys?owner_kind=service_account&ephemeral=false").await;
    assert_eq!(list.body["data"][0]["id"], json!(id));
}
