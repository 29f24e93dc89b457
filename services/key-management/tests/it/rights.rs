use actix_web::{http::Method, test::TestRequest};
use maas_types::Role;
use serde_json::json;

use crate::world::World;

on_both_databases! {
    other_peoples_keys_do_not_exist
    readonly_admins_read_all_and_change_only_their_own
    admins_change_everybodys_keys
}

#[actix_web::test]
async fn every_operation_of_the_document_wants_a_caller() {
    let world = World::on_sqlite().await;
    let document = serde_json::to_value(maas_key_management::openapi()).unwrap();
    let (mut called, mut public) = (0, Vec::new());
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.replace("{id}", "key_019a9c3b5f0e7c42a1d38b6f0c9e4a57");
        for (method, operation) in item.as_object().unwrap() {
            if operation["security"] == json!([{}]) {
                public.push(operation["operationId"].as_str().unwrap().to_owned());
                continue;
            }
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let request = || TestRequest::default().method(method.clone()).uri(&path);
            assert_eq!(world.call(request()).await.status, 401, "{method} {path}");
            let with_key = request().insert_header(("authorization", "Bearer sk-maas-abc"));
            assert_eq!(world.call(with_key).await.status, 403, "{method} {path}");
            called += 1;
        }
    }
    assert_eq!(public, ["getKeyPattern", "reportLeakedKey"]);
    assert!(called >= 12, "{called}");
}

async fn other_peoples_keys_do_not_exist(world: World) {
    let (user, other) = (world.user(), world.user());
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    let path = format!("/api/v1/keys/{id}");
    assert_eq!(world.get(other, &path).await.status, 404);
    assert_eq!(world.patch(other, &path, json!({"name": "y"})).await.status, 404);
    for action in ["block", "unblock", "revoke"] {
        assert_eq!(world.act(other, &format!("{path}/{action}")).await.status, 404, "{action}");
    }
    for unknown in ["key_019a9c3b5f0e7c42a1d38b6f0c9e4a57", "usr_019a9c3b5f0e7c42a1d38b6f0c9e4a57", "x"] {
        assert_eq!(world.get(other, &format!("/api/v1/keys/{unknown}")).await.status, 404, "{unknown}");
    }
    assert_eq!(world.get(user, &path).await.etag(), "\"1\"");
}

async fn readonly_admins_read_all_and_change_only_their_own(world: World) {
    let (user, auditor) = (world.user(), world.person(Role::AdminReadonly));
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    let path = format!("/api/v1/keys/{id}");
    assert_eq!(world.get(auditor, &path).await.status, 200);
    assert_eq!(world.act(auditor, &format!("{path}/revoke")).await.status, 404);
    let on_behalf = json!({"name": "x", "owner_id": user.id});
    assert_eq!(world.post(auditor, "/api/v1/keys", on_behalf).await.status, 403);
    let (own, _) = world.create(auditor, json!({"name": "own"})).await;
    assert_eq!(world.act(auditor, &format!("/api/v1/keys/{own}/revoke")).await.status, 200);
}

async fn admins_change_everybodys_keys(world: World) {
    let (user, admin) = (world.user(), world.admin());
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    let path = format!("/api/v1/keys/{id}");
    assert_eq!(world.patch(admin, &path, json!({"name": "y"})).await.body["name"], json!("y"));
    assert_eq!(world.act(admin, &format!("{path}/block")).await.body["status"], json!("blocked"));
    assert_eq!(world.get(user, &path).await.body["status"], json!("blocked"));
}
