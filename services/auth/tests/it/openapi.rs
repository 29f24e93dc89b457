use std::collections::BTreeSet;

use actix_web::http::Method;
use serde_json::Value;

use crate::world::{As, World};

const PUBLIC: [&str; 5] = ["signIn", "beginSignIn", "finishSignIn", "getSigningKeys", "getConfig"];
const ID: &str = "usr_019a9c3b5f0e7c42a1d38b6f0c9e4a57";

/// Every operation of the document: method, path, id, attributes.
fn operations() -> Vec<(Method, String, String, Value)> {
    let document = serde_json::to_value(maas_auth::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap().clone();
    let mut operations = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            let id = operation["operationId"].as_str().unwrap().to_owned();
            operations.push((method, path.clone(), id, operation.clone()));
        }
    }
    operations
}

#[test]
fn operations_are_named_once_and_described() {
    let operations = operations();
    assert_eq!(operations.len(), 53);
    let ids: BTreeSet<_> = operations.iter().map(|(_, _, id, _)| id).collect();
    assert_eq!(ids.len(), operations.len());
    for (_, _, id, operation) in &operations {
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{id}");
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{id} {status}");
        }
    }
}

#[actix_web::test]
async fn without_a_credential_everything_but_the_public_operations_is_refused() {
    let world = World::on_sqlite().await;
    for (method, path, id, _) in operations() {
        let path = path.replace("{id}", ID).replace("{provider}", "none").replace("{user_id}", ID);
        let request = world.request(method, &path, &As::Nobody).set_json(serde_json::json!({}));
        let status = world.send(request).await.status.as_u16();
        if PUBLIC.contains(&id.as_str()) {
            assert!(matches!(status, 200 | 400 | 404), "{id}: {status}");
        } else {
            assert_eq!(status, 401, "{id}");
        }
    }
}

#[actix_web::test]
async fn a_path_written_with_percent_signs_is_treated_as_the_path_it_is() {
    let world = World::on_sqlite().await;
    let body = serde_json::json!({"user_name": "admin", "password": "not the password"});
    let refused = world.post("/%61pi/v1/auth/login", &As::Nobody, body).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (401, "invalid_credentials"), "{}", refused.body);
    assert_eq!(refused.body["request_id"], refused.header("x-request-id"));
    let shown = world.get("/%61pi/v1/users", &world.admin().await).await;
    assert_eq!((shown.status.as_u16(), shown.header("cache-control")), (200, "no-store"));
}

#[actix_web::test]
async fn the_public_configuration_says_how_to_sign_in() {
    let world = World::on_sqlite().await;
    let config = world.get("/api/v1/config", &As::Nobody).await.body;
    assert_eq!(config["public_url"], world.public_origin.as_str());
    assert_eq!(
        config["sign_in_providers"],
        serde_json::json!([{
            "id": "local", "kind": "password", "display_name": "User name and password",
            "login_path": "/api/v1/auth/login", "state": "ready",
        }])
    );
    assert_eq!(config["currency"], "USD");
}
