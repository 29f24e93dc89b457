use maas_testkit::eventually;
use serde_json::json;

use crate::world::{As, PATIENCE, World};

#[actix_web::test]
async fn without_its_database_the_service_says_try_again_and_recovers() {
    let world = World::on_own_cluster().await;
    let admin = world.admin().await;
    eventually(PATIENCE, || async { world.process.readiness.is_ready().then_some(()) }).await;

    world.cluster().stop().await.unwrap();
    // Not 401: the credential may be good.
    let unknown = world.get("/api/v1/me", &admin).await;
    assert_eq!((unknown.status.as_u16(), unknown.code()), (503, "identity_unavailable"));
    assert!(!unknown.header("retry-after").is_empty());
    let refused = world.sign_in("admin", &world.one_time_password()).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (503, "unavailable"));
    assert_eq!(refused.body.get("detail"), None);
    // What needs no database goes on.
    assert_eq!(world.get("/.well-known/jwks.json", &As::Nobody).await.status, 200);
    eventually(PATIENCE, || async { (!world.process.readiness.is_ready()).then_some(()) }).await;

    world.cluster().restart().await.unwrap();
    let created = eventually(PATIENCE, || async {
        let created = world.post("/api/v1/users", &admin, json!({"user_name": "ada"})).await;
        (created.status == 201).then_some(created)
    })
    .await;
    // Its audit record arrives, and the service is ready again.
    let path = format!("/api/v1/audit?resource_id={}", created.body["user"]["id"].as_str().unwrap());
    eventually(PATIENCE, || async {
        let page = world.get(&path, &admin).await.body;
        page["data"].as_array().is_some_and(|entries| entries.len() == 1).then_some(())
    })
    .await;
    eventually(PATIENCE, || async { world.process.readiness.is_ready().then_some(()) }).await;
}
