//! How upstreams are spoken to and chosen: what is said comes back, reaches the proxies and the audit book.

use maas_events::state::Header;
use maas_model_catalog::ListUpstream;
use serde_json::{Value, json};

use crate::world::{World, settings};

fn upstream() -> Value {
    json!({
        "base_url": "https://models.example.org/openai", "dialect": "azure_openai", "mirror": true, "capacity": 64,
        "headers": {"X-Team": "blue", "openai-organization": "org-1"}, "native_apis": ["responses"],
        "api_version": "2025-01-01-preview", "ca_file": "internal/ca.pem", "instance": "team-1/azure",
        "health_path": "/health?full=1"
    })
}

/// What an answer shows of the fields that [`upstream`] sets.
fn shown(answer: &Value) -> Value {
    let fields: serde_json::Map<_, _> =
        upstream().as_object().unwrap().keys().map(|field| (field.clone(), answer[field].clone())).collect();
    Value::Object(fields)
}

#[actix_web::test]
async fn what_is_said_about_an_upstream_is_kept_and_told() {
    for world in World::both(&settings()).await {
        let model = world.post("/api/v1/models", json!({"name": "m"})).await.json();
        let path = format!("/api/v1/models/{}/upstreams", model["id"].as_str().unwrap());
        let created = world.post(&path, upstream()).await;
        assert_eq!(created.status, 201, "{}", created.text);
        let mut expected = upstream();
        expected["headers"] = json!({"x-team": "blue", "openai-organization": "org-1"});
        assert_eq!(shown(&created.json()), expected);
        assert_eq!(shown(&world.get("admin", &path).await.json()["data"][0]), expected);
        let audit: Value = serde_json::from_str(&world.audit_of("upstream.create").await.after_json).unwrap();
        assert_eq!(shown(&audit), expected);

        let state = world.state_where("m", |state| state.version == 2).await.upstreams.remove(0);
        assert_eq!((state.dialect.as_str(), state.mirror, state.capacity), ("azure_openai", true, 64));
        let header = |name: &str, value: &str| Header { name: name.to_owned(), value: value.to_owned() };
        assert_eq!(state.headers, [header("openai-organization", "org-1"), header("x-team", "blue")]);
        assert_eq!(
            (state.native_apis, state.api_version.as_str()),
            (vec!["responses".to_owned()], "2025-01-01-preview")
        );
        assert_eq!((state.ca_file.as_str(), state.instance.as_str()), ("internal/ca.pem", "team-1/azure"));
        assert_eq!(state.health_path, "/health?full=1");
        // A model that nothing but a mirror serves cannot answer anybody.
        assert_eq!(world.statuses().await, [("m".to_owned(), "degraded".to_owned())]);
        let ready = world.get("admin", "/api/v1/models?status=ready").await.json();
        assert_eq!(ready["data"], json!([]));
    }
}

#[actix_web::test]
async fn an_upstream_that_nothing_is_said_about_has_defaults_and_gets_them_back() {
    let world = World::sqlite(settings()).await;
    let model = world.post("/api/v1/models", json!({"name": "m"})).await.json();
    let path = format!("/api/v1/models/{}/upstreams", model["id"].as_str().unwrap());
    let url = json!("https://models.example.org/openai");
    let defaults = json!({
        "base_url": url, "dialect": "openai", "mirror": false, "capacity": 0, "headers": {}, "native_apis": [],
        "api_version": "", "ca_file": "", "instance": "", "health_path": ""
    });
    assert_eq!(shown(&world.post(&path, json!({"base_url": url})).await.json()), defaults);

    let location = world.post(&path, upstream()).await.headers["location"].clone();
    // In one step with what belonged to the old dialect, or not at all.
    let refused = world.patch(&location, json!({"dialect": "openai"})).await;
    assert_eq!((refused.status, refused.pointers()), (400, vec!["/api_version".to_owned()]));
    let changed = world.patch(&location, defaults.clone()).await;
    assert_eq!((changed.status, shown(&changed.json())), (200, defaults), "{}", changed.text);
    let audit = world.audit_of("upstream.update").await;
    assert!(audit.before_json.contains("azure_openai") && audit.after_json.contains(r#""dialect":"openai""#));
}

#[actix_web::test]
async fn fields_of_an_upstream_that_cannot_be_used_are_refused() {
    let world = World::sqlite(settings()).await;
    let model = world.post("/api/v1/models", json!({"name": "m"})).await.json();
    let path = format!("/api/v1/models/{}/upstreams", model["id"].as_str().unwrap());
    for (field, value, pointer) in [
        ("dialect", json!("azure-openai"), "/dialect"),
        ("mirror", json!("yes"), "/mirror"),
        ("capacity", json!(-1), "/capacity"),
        ("capacity", json!(1_000_001), "/capacity"),
        ("headers", json!({"Authorization": "Bearer x"}), "/headers/Authorization"),
        ("headers", json!({"x-a": "a\r\nb: c"}), "/headers/x-a"),
        ("headers", json!({"x-a": 1}), "/headers/x-a"),
        ("native_apis", json!(["chat"]), "/native_apis/0"),
        ("native_apis", json!(["messages", "messages"]), "/native_apis"),
        ("api_version", json!("2024-10-21"), "/api_version"),
        ("ca_file", json!("../ca.pem"), "/ca_file"),
        ("instance", json!("v1/models"), "/instance"),
        ("instance", json!("llm"), "/instance"),
        ("health_path", json!("http://169.254.169.254/"), "/health_path"),
        ("health_path", json!("//169.254.169.254/"), "/health_path"),
    ] {
        let mut body = json!({"base_url": "https://models.example.org/v1"});
        body[field] = value;
        let reply = world.post(&path, body.clone()).await;
        assert_eq!((reply.status, reply.pointers()), (400, vec![pointer.to_owned()]), "{body}");
    }
    let several = json!({"base_url": "x", "ca_file": "/ca", "instance": "api/x", "health_path": "#"});
    assert_eq!(world.post(&path, several).await.pointers(), ["/base_url", "/ca_file", "/instance", "/health_path"]);
    assert_eq!(world.get("admin", &path).await.json()["data"], json!([]));
}

#[actix_web::test]
async fn a_model_says_how_it_is_routed_and_who_stands_in() {
    for world in World::both(&settings()).await {
        let created = world.post("/api/v1/models", json!({"name": "m", "enabled": true})).await.json();
        let path = format!("/api/v1/models/{}", created["id"].as_str().unwrap());
        assert_eq!((&created["routing"], &created["affinity"]), (&json!("weighted"), &json!("none")));
        assert_eq!((&created["fallbacks"], &created["context_fallbacks"]), (&json!([]), &json!([])));
        let state = world.state_where("m", |_| true).await;
        assert_eq!((state.routing.as_str(), state.affinity.as_str()), ("weighted", ""));

        let change = json!({"routing": "least_loaded", "affinity": "prefix", "fallbacks": ["b", "not/yet"],
            "context_fallbacks": ["long"]});
        assert_eq!(world.patch(&path, change.clone()).await.status, 200);
        let state = world.state_where("m", |state| state.version == 2).await;
        assert_eq!((state.routing.as_str(), state.affinity.as_str()), ("least_loaded", "prefix"));
        assert_eq!(
            (state.fallbacks, state.context_fallbacks),
            (vec!["b".to_owned(), "not/yet".to_owned()], vec!["long".to_owned()])
        );
        let read = world.get("admin-readonly", &path).await.json();
        assert!(change.as_object().unwrap().iter().all(|(field, value)| read[field] == *value), "{read}");
        // Other models' names are not for everybody.
        let seen = world.get("user", &path).await.json();
        assert!(change.as_object().unwrap().keys().all(|field| seen.get(field).is_none()), "{seen}");
        let audit = world.audit_of("model.update").await;
        assert!(audit.before_json.contains(r#""fallbacks":[]"#) && audit.after_json.contains("least_loaded"));
    }
}

#[actix_web::test]
async fn fallbacks_that_cannot_help_are_refused() {
    let world = World::sqlite(settings()).await;
    let nine: Vec<_> = (0..9).map(|number| number.to_string()).collect();
    for (fields, pointer) in [
        (json!({"routing": "random"}), "/routing"),
        (json!({"affinity": "session"}), "/affinity"),
        (json!({"fallbacks": ["a", "a"]}), "/fallbacks/1"),
        (json!({"fallbacks": ["a b"]}), "/fallbacks/0"),
        (json!({"fallbacks": nine}), "/fallbacks"),
        (json!({"context_fallbacks": ["a", "m"]}), "/context_fallbacks/1"),
        (json!({"aliases": ["same"], "fallbacks": ["same"]}), "/fallbacks/0"),
    ] {
        let mut body = fields.clone();
        body["name"] = json!("m");
        let reply = world.post("/api/v1/models", body).await;
        assert_eq!((reply.status, reply.pointers()), (400, vec![pointer.to_owned()]), "{fields}");
    }
    // An alias that comes later makes a circle as well.
    let created = world.post("/api/v1/models", json!({"name": "m", "fallbacks": ["b"]})).await;
    let reply = world.patch(&created.headers["location"], json!({"aliases": ["b"]})).await;
    assert_eq!((reply.status, reply.pointers()), (400, vec!["/fallbacks/0".to_owned()]));
    assert_eq!(world.get("admin", &created.headers["location"]).await.json()["aliases"], json!([]));
}

#[actix_web::test]
async fn a_source_gives_its_instance_to_each_of_its_upstreams() {
    let server = crate::lists::ListServer::start();
    server.lists(&["gemini/models/gemini-2.5-flash", "other"]);
    let named = ListUpstream { instance: Some("ai/gemini".to_owned()), ..server.source("gemini_llamastack") };
    for (source, instance) in [(server.source("gemini_llamastack"), "llm/gemini-llamastack"), (named, "ai/gemini")] {
        let settings = maas_model_catalog::ModelCatalogSettings { upstreams: vec![source], ..settings() };
        let world = World::sqlite(settings).await;
        world.catalog.sync_all().await;
        for name in ["gemini/models/gemini-2.5-flash", "other"] {
            assert_eq!(world.state_where(name, |_| true).await.upstreams[0].instance, instance);
        }
        assert_eq!(world.get("admin", "/api/v1/sources").await.json()["data"][0]["instance"], instance);
    }
}
