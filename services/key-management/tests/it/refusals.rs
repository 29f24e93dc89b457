use maas_testkit::eventually;
use serde_json::json;

use crate::world::{DEADLINE, World};

#[actix_web::test]
async fn changing_somebody_elses_key_is_told_to_the_audit_book() {
    let world = World::on_sqlite().await;
    let (owner, other) = (world.user(), world.user());
    let (id, _) = world.create(owner, json!({"name": "mine"})).await;
    assert_eq!(world.act(other, &format!("/api/v1/keys/{id}/revoke")).await.status, 404);
    // Looking is no attempt to change.
    assert_eq!(world.get(other, &format!("/api/v1/keys/{id}")).await.status, 404);
    let record = world.audited("POST /api/v1/keys/{id}/revoke", "call.refuse").await;
    assert_eq!((record.service.as_str(), record.outcome.as_str()), ("key-management", "denied"));
    assert_eq!(record.actor_id.as_ref(), other.id.uuid().as_bytes());
    assert!(record.after_json.contains(&id), "{}", record.after_json);
}

#[actix_web::test]
async fn refused_decisions_on_plans_are_told_to_the_audit_book() {
    let world = World::on_postgres().await;
    assert_eq!(world.post(world.user(), "/api/v1/plans", json!({"name": "everything"})).await.status, 403);
    let records = eventually(DEADLINE, || async {
        let records = world.audit.lock().unwrap();
        records.iter().find(|record| record.action == "call.refuse").cloned()
    });
    assert!(records.await.after_json.contains(r#""permission":"plans.manage""#));
}
