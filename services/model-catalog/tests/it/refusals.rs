use actix_web::http::Method;
use maas_testkit::eventually;
use serde_json::json;

use crate::world::{PATIENCE, World, settings};

#[actix_web::test]
async fn a_refused_change_is_told_to_the_audit_book() {
    let world = World::sqlite(settings()).await;
    let refused = world.call("admin-readonly", Method::POST, "/api/v1/models", Some(json!({"name": "llama"}))).await;
    assert_eq!(refused.status, 403);
    let record = eventually(PATIENCE, || async { world.audit.lock().unwrap().first().cloned() }).await;
    assert_eq!((record.action.as_str(), record.outcome.as_str()), ("call.refuse", "denied"));
    assert_eq!((record.service.as_str(), record.resource_id.as_str()), ("model-catalog", "POST /api/v1/models"));
    assert!(record.after_json.contains(r#""permission":"models.manage""#), "{}", record.after_json);
}
