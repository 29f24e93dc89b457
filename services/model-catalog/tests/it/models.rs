use actix_web::http::Method;
use serde_json::json;

use crate::world::{World, settings};

fn model(name: &str) -> serde_json::Value {
    json!({
        "name": name, "kind": "chat", "context_length": 8192, "owner": "meta", "aliases": ["llama"],
        "upstreams": [{"base_url": "http://127.0.0.1:9/v1", "credential": {"environment_variable": "LLAMA_API_KEY"}}],
        "price": {"input": "0.15", "output": "0.60"}
    })
}

#[actix_web::test]
async fn a_model_is_made_with_upstream_and_price_and_the_proxies_are_told() {
    for world in World::both(&settings()).await {
        let reply = world.post("/api/v1/models", model("meta/llama-3.1-8b")).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        let created = reply.json();
        assert_eq!(reply.headers["location"], format!("/api/v1/models/{}", created["id"].as_str().unwrap()));
        assert_eq!(reply.headers["etag"], "\"1\"");
        assert_eq!((&created["status"], &created["access"]["callable"]), (&json!("ready"), &json!(true)));
        assert_eq!(created["price"]["input"], "0.150000000");

        let state = world.state_where("meta/llama-3.1-8b", |_| true).await;
        assert!(state.enabled && !state.deleted);
        assert_eq!((state.prices[0].input, state.prices[0].output), (150_000_000, 600_000_000));
        assert_eq!(state.upstreams[0].base_url, "http://127.0.0.1:9/v1");
        assert_eq!(state.upstreams[0].upstream_model, "meta/llama-3.1-8b");
        let audit = world.audit_of("model.create").await;
        assert_eq!((audit.service.as_str(), audit.actor_name.as_str()), ("model-catalog", "ada"));
    }
}

#[actix_web::test]
async fn a_change_needs_the_version_that_was_read() {
    for world in World::both(&settings()).await {
        let created = world.post("/api/v1/models", model("m")).await.json();
        let path = format!("/api/v1/models/{}", created["id"].as_str().unwrap());
        let change = Some(json!({"enabled": false, "tags": ["old"]}));
        let stale = world.call_with("admin", Method::PATCH, &path, change.clone(), &[("if-match", "\"7\"")]).await;
        assert_eq!((stale.status, stale.json()["code"].as_str()), (412, Some("etag_mismatch")));
        let changed = world.call_with("admin", Method::PATCH, &path, change, &[("if-match", "\"1\"")]).await;
        assert_eq!((changed.status, changed.headers["etag"].as_str()), (200, "\"2\""));
        assert_eq!(changed.json()["status"], "disabled");
        let state = world.state_where("m", |state| state.version == 2).await;
        assert!(!state.enabled);

        // Saying what is so already is no change.
        assert_eq!(world.patch(&path, json!({"enabled": false})).await.headers["etag"], "\"2\"");
        // Out of sight for users, not gone.
        assert_eq!(world.get("user", &path).await.status, 404);
        assert_eq!(world.get("admin-readonly", &path).await.status, 200);
    }
}

#[actix_web::test]
async fn a_deleted_model_leaves_a_tombstone_and_frees_its_name() {
    for world in World::both(&settings()).await {
        let created = world.post("/api/v1/models", model("m")).await.json();
        let path = format!("/api/v1/models/{}", created["id"].as_str().unwrap());
        assert_eq!(world.delete(&path).await.status, 204);
        assert_eq!((world.get("admin", &path).await.status, world.delete(&path).await.status), (404, 404));
        let state = world.state_where("m", |state| state.deleted).await;
        assert_eq!(state.version, 2);
        assert_eq!(world.post("/api/v1/models", model("m")).await.status, 201);
    }
}

#[actix_web::test]
async fn bad_input_is_refused_with_every_fault_and_changes_nothing() {
    let world = World::sqlite(settings()).await;
    let bad = json!({
        "name": "a b", "aliases": ["\u{7}"], "description": "x".repeat(2001),
        "upstreams": [{"base_url": "ftp://x", "credential": {}}, {"base_url": "http://169.254.169.254/"}],
        "price": {"input": "-1", "output": "2000000000", "currency": "EUR"}
    });
    let reply = world.post("/api/v1/models", bad).await;
    assert_eq!(reply.status, 400);
    let pointers = reply.pointers();
    for pointer in [
        "/name",
        "/aliases/0",
        "/description",
        "/upstreams/0/base_url",
        "/upstreams/0/credential",
        "/upstreams/1/base_url",
        "/price/input",
        "/price/output",
        "/price/currency",
    ] {
        assert!(pointers.iter().any(|found| found == pointer), "{pointer} is missing in {pointers:?}");
    }
    // Too many of something is one fault: else the faults of a small body would fill a large answer.
    let (entries, upstreams) = (vec![""; 1_000], vec![json!({"base_url": "http://h"}); 51]);
    for (body, pointer) in [(json!({"tags": entries}), "/tags"), (json!({"upstreams": upstreams}), "/upstreams")] {
        let mut body = body;
        body["name"] = json!("n");
        let pointers = world.post("/api/v1/models", body).await.pointers();
        assert!(pointers.len() <= 51 && pointers[0] == pointer, "{pointers:?}");
    }
    assert_eq!(world.post("/api/v1/models", json!({"name": "n".repeat(256)})).await.status, 400);
    assert_eq!(world.post("/api/v1/models", json!({"name": "n", "colour": "red"})).await.pointers(), ["/colour"]);
    assert_eq!(world.call("admin", Method::POST, "/api/v1/models", None).await.status, 415);
    for query in ["limit=0", "limit=1001", "limit=x", "cursor=%25", "status=odd", "page=2"] {
        assert_eq!(world.get("admin", &format!("/api/v1/models?{query}")).await.status, 400, "{query}");
    }
    assert!(world.statuses().await.is_empty());

    let created = world.post("/api/v1/models", model("m")).await.json();
    let again = world.post("/api/v1/models", model("m")).await;
    assert_eq!((again.status, again.json()["code"].as_str()), (409, Some("already_exists")));
    let path = format!("/api/v1/models/{}", created["id"].as_str().unwrap());
    assert_eq!(world.patch(&path, json!({"name": "other"})).await.pointers(), ["/name"]);
}

#[actix_web::test]
async fn users_see_what_is_offered_and_administrators_everything() {
    for world in World::both(&settings()).await {
        for (name, extra) in
            [("open", json!({})), ("shut", json!({"enabled": false})), ("held", json!({"restricted": true}))]
        {
            let mut body = model(name);
            body["aliases"] = json!([]);
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            assert_eq!(world.post("/api/v1/models", body).await.status, 201);
        }
        assert_eq!(world.post("/api/v1/models", json!({"name": "bare"})).await.status, 201);
        let names = |json: serde_json::Value| -> Vec<String> {
            json["data"].as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap().to_owned()).collect()
        };
        let listed = world.get("user", "/api/v1/models").await;
        assert!(!listed.text.contains("127.0.0.1"), "an internal address is shown");
        let listed = listed.json();
        let held = listed["data"].as_array().unwrap().iter().find(|model| model["name"] == "held").unwrap().clone();
        assert_eq!(held["access"], json!({"callable": false, "reason": "restricted"}));
        assert_eq!(names(listed), ["bare", "held", "open"]);
        assert_eq!(names(world.get("admin", "/api/v1/models").await.json()).len(), 4);
        for (status, expected) in [("disabled", "shut"), ("degraded", "bare")] {
            let found = world.get("admin", &format!("/api/v1/models?status={status}")).await.json();
            assert_eq!(names(found), [expected]);
        }
        // Pages follow each other without a gap.
        let first = world.get("admin", "/api/v1/models?limit=3").await.json();
        let cursor = first["next_cursor"].as_str().unwrap();
        let second = world.get("admin", &format!("/api/v1/models?limit=3&cursor={cursor}")).await.json();
        assert_eq!((names(first).len(), names(second.clone())), (3, vec!["open".to_owned()]));
        assert!(second["next_cursor"].is_null());

        let list = world.get("user", "/maas-api/v1/models").await.json();
        assert_eq!(list["object"], "list");
        let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
        assert_eq!(ids, ["bare", "held", "open"]);
        assert_eq!(list["data"][2]["url"], "https://maas.example.org/v1");
        assert_eq!((&list["data"][0]["ready"], &list["data"][2]["ready"]), (&json!(false), &json!(true)));
    }
}

#[actix_web::test]
async fn an_empty_catalogue_is_an_empty_list() {
    let world = World::sqlite(settings()).await;
    assert_eq!(world.get("user", "/maas-api/v1/models").await.json(), json!({"object": "list", "data": []}));
    assert_eq!(world.get("user", "/api/v1/models").await.json(), json!({"data": [], "next_cursor": null}));
}

#[actix_web::test]
async fn only_administrators_change_anything() {
    let world = World::sqlite(settings()).await;
    let created = world.post("/api/v1/models", model("m")).await.json();
    let id = created["id"].as_str().unwrap();
    let calls = [
        (Method::POST, "/api/v1/models".to_owned()),
        (Method::PATCH, format!("/api/v1/models/{id}")),
        (Method::DELETE, format!("/api/v1/models/{id}")),
        (Method::POST, format!("/api/v1/models/{id}/upstreams")),
        (Method::POST, format!("/api/v1/models/{id}/prices")),
    ];
    for (method, path) in calls {
        for (role, status) in [("", 401), ("user", 403), ("admin-readonly", 403)] {
            let reply = world.call(role, method.clone(), &path, Some(json!({}))).await;
            assert_eq!(reply.status, status, "{role} {method} {path}");
        }
    }
    for path in [format!("/api/v1/models/{id}/upstreams"), "/api/v1/sources".to_owned()] {
        assert_eq!(world.get("user", &path).await.status, 403, "{path}");
        assert_eq!(world.get("admin-readonly", &path).await.status, 200, "{path}");
    }
    assert_eq!(world.get("", "/maas-api/v1/models").await.status, 401);
}
