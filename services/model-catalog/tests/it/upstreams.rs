use maas_events::state::credential::Source;
use maas_keys::{Sealed, SealingKeys, credential_binding};
use serde_json::json;

use crate::world::{KEY, World, settings};

const SECRET: &str = "canary-provider-secret-7391";

#[actix_web::test]
async fn a_sealed_secret_is_seen_nowhere_and_opens_for_its_origin_only() {
    for world in World::both(&settings()).await {
        let model = world.post("/api/v1/models", json!({"name": "m"})).await.json();
        let path = format!("/api/v1/models/{}/upstreams", model["id"].as_str().unwrap());
        let body =
            json!({"base_url": "http://127.0.0.1:9/v1", "upstream_model": "x", "credential": {"secret": SECRET}});
        let created = world.post(&path, body).await;
        assert_eq!(created.status, 201, "{}", created.text);
        assert_eq!(created.json()["credential"], json!({"kind": "encrypted", "set": true}));
        let id = created.json()["id"].as_str().unwrap().to_owned();

        let state = world.state_where("m", |state| !state.upstreams.is_empty()).await;
        let Some(Source::Encrypted(encrypted)) = state.upstreams[0].credential.clone().unwrap().source else {
            panic!("not encrypted")
        };
        let sealed = Sealed {
            key_version: encrypted.key_version,
            nonce: encrypted.nonce.as_ref().try_into().unwrap(),
            ciphertext: encrypted.ciphertext.to_vec(),
        };
        let keys = SealingKeys::from_hex(&[(1, KEY)]).unwrap();
        let bound_to = credential_binding(&id, "http", "127.0.0.1:9");
        assert_eq!(keys.open(&sealed, bound_to.as_bytes()).unwrap().as_slice(), SECRET.as_bytes());

        let audit = world.audit_of("upstream.create").await;
        let listed = world.get("admin", &path).await;
        for text in [&created.text, &listed.text, &audit.after_json, &format!("{state:?}")] {
            assert!(!text.contains(SECRET), "{text}");
        }
        for file in std::fs::read_dir(world.folder.path()).unwrap() {
            let content = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!content.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
        }

        // Another path keeps it, another port clears it.
        let path = format!("/api/v1/upstreams/{id}");
        let same_origin = world.patch(&path, json!({"base_url": "http://127.0.0.1:9/other"})).await.json();
        assert_eq!(same_origin["credential"]["set"], true);
        let moved = world.patch(&path, json!({"base_url": "http://127.0.0.1:10/v1"})).await.json();
        assert_eq!(moved["credential"], json!({"kind": "none", "set": false}));
        let state = world.state_where("m", |state| state.version == 4).await;
        assert!(state.upstreams[0].credential.is_none());
    }
}

#[actix_web::test]
async fn upstreams_are_changed_and_deleted_and_the_proxies_follow() {
    for world in World::both(&settings()).await {
        let model = world.post("/api/v1/models", json!({"name": "m"})).await.json();
        let path = format!("/api/v1/models/{}/upstreams", model["id"].as_str().unwrap());
        let created = world.post(&path, json!({"base_url": "https://models.example.org:443/v1/"})).await;
        let upstream = created.json();
        assert_eq!(upstream["base_url"], "https://models.example.org/v1");
        assert_eq!((&upstream["name"], &upstream["upstream_model"]), (&json!("models.example.org"), &json!("m")));
        let path = created.headers["location"].clone();
        let change = json!({"weight": 7, "gap_timeout_ms": 5000, "credential": {"file": "openai"}});
        let changed = world.patch(&path, change).await;
        assert_eq!((changed.status, changed.headers["etag"].as_str()), (200, "\"2\""), "{}", changed.text);
        let state = world.state_where("m", |state| state.version == 3).await;
        assert_eq!((state.upstreams[0].weight, state.upstreams[0].gap_timeout_ms), (7, 5000));
        assert_eq!(world.patch(&path, json!({"credential": null})).await.json()["credential"]["set"], false);
        assert_eq!(world.delete(&path).await.status, 204);
        assert_eq!(world.delete(&path).await.status, 404);
        world.state_where("m", |state| state.upstreams.is_empty() && state.version == 5).await;
    }
}

#[actix_web::test]
async fn urls_and_credentials_that_cannot_be_used_are_refused() {
    let strict = maas_model_catalog::ModelCatalogSettings {
        allow_loopback_upstreams: false,
        encryption_key: maas_runtime::config::Secret::default(),
        ..settings()
    };
    let world = World::sqlite(strict).await;
    let model = world.post("/api/v1/models", json!({"name": "m"})).await.json();
    let path = format!("/api/v1/models/{}/upstreams", model["id"].as_str().unwrap());
    for (body, pointer) in [
        (json!({}), "/base_url"),
        (json!({"base_url": "http://127.0.0.1:9/v1"}), "/base_url"),
        (json!({"base_url": "http://user:pass@h/v1"}), "/base_url"),
        (json!({"base_url": "http://h/v1?key=1"}), "/base_url"),
        (json!({"base_url": "http://h/v1", "dialect": "morse"}), "/dialect"),
        (json!({"base_url": "http://h/v1", "credential": {"secret": "s"}}), "/credential/secret"),
        (
            json!({"base_url": "http://h/v1", "credential": {"environment_variable": "MAAS__X"}}),
            "/credential/environment_variable",
        ),
        (json!({"base_url": "http://h/v1", "weight": 1_000_001}), "/weight"),
    ] {
        let reply = world.post(&path, body.clone()).await;
        assert_eq!((reply.status, reply.pointers()), (400, vec![pointer.to_owned()]), "{body}");
    }
    assert!(world.get("admin", &path).await.json()["data"].as_array().unwrap().is_empty());
}
