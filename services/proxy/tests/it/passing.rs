//! What passes through, and how it arrives at both ends.

use maas_events::state::{Credential, EncryptedSecret, UpstreamState, credential::Source};
use maas_keys::{SealingKeys, credential_binding};
use maas_testkit::upstream::Behaviour;
use maas_types::UpstreamId;
use serde_json::json;
use uuid::Uuid;

use crate::{
    fixtures::{self, with_variable},
    world::{CHAT, Setup, World, chat_body},
};

#[tokio::test]
async fn every_operation_answers_under_the_name_that_was_asked_for() {
    let world = World::start().await;
    let chat = world.chat("chat", "").send().await;
    assert_eq!((chat.status, chat.json()["model"].as_str()), (200, Some("chat")));
    assert_eq!(chat.json()["usage"]["completion_tokens"], 4);
    let completion = json!({"model": "gpt-alias", "prompt": "one two", "max_tokens": 3});
    let completion = world.post("/v1/completions", &completion).send().await;
    assert_eq!((completion.status, completion.json()["model"].as_str()), (200, Some("gpt-alias")));
    let embedding = json!({"model": "embed", "input": ["one", "two three"], "encoding_format": "base64"});
    let embedding = world.post("/v1/embeddings", &embedding).send().await;
    assert_eq!((embedding.status, embedding.json()["model"].as_str()), (200, Some("embed")));
    assert_eq!(embedding.json()["data"].as_array().unwrap().len(), 2);
    let streamed = world.stream("gpt-alias", "").send().await;
    assert!(streamed.chunks().iter().all(|chunk| chunk["model"] == "gpt-alias"));
}

#[tokio::test]
async fn every_spelling_of_a_path_is_understood() {
    let world = World::start().await;
    for path in ["/chat/completions", "/v1/chat/completions/", "//v1//chat//completions", "/v1/v1/chat/completions"] {
        assert_eq!(world.post(path, &chat_body("chat", "")).send().await.status, 200, "{path}");
    }
    for path in ["/", "/health", "/v1/health", "/ping"] {
        let answer = world.get(path).send().await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("x-request-id").is_some(), "{path}");
        assert_eq!(world.request("HEAD", path).send().await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_body_that_needs_no_change_arrives_byte_by_byte() {
    let world = World::start().await;
    let body = "{ \"unknown\" : {\"a\":[1.50, 2e0]},\n \"messages\":[{\"role\":\"user\",\"content\":\"a\\u00e9\"}],\"model\" :\"sim-chat\"}";
    let answer = world.request("POST", CHAT).key(world.key.expose()).body(body).send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(world.upstream.last_requests()[0].body, body);
}

#[tokio::test]
async fn only_the_model_and_the_wish_for_usage_change() {
    let world = World::start().await;
    let body = r#"{"x":{"model":"chat"},"model":"chat","messages":[{"content":"hi"}],"stream":true}"#;
    world.request("POST", CHAT).key(world.key.expose()).body(body).send().await;
    let expected = r#"{"x":{"model":"chat"},"model":"sim-chat","stream_options":{"include_usage":true},"messages":[{"content":"hi"}],"stream":true}"#;
    assert_eq!(world.upstream.last_requests()[0].body, expected);
}

#[tokio::test]
async fn nothing_of_the_clients_headers_reaches_the_upstream() {
    let world = World::start().await;
    let mut request = world.chat("chat", "").id("my-own.id_1");
    let secrets = ["x-api-key", "api-key", "x-goog-api-key", "cookie", "x-llamastack-provider-data", "x-forwarded-for"];
    for name in secrets {
        request = request.header(name, "do-not-tell");
    }
    let answer = request.send().await;
    assert_eq!((answer.status, answer.header("x-request-id")), (200, Some("my-own.id_1")));
    let seen = &world.upstream.last_requests()[0];
    assert!(!format!("{seen:?}").contains("do-not-tell"), "{seen:?}");
    assert!(!format!("{seen:?}").contains(world.key.expose()), "{seen:?}");
    assert_eq!((seen.header("authorization"), seen.header("x-request-id")), (None, Some("my-own.id_1")));
}

#[tokio::test]
async fn the_upstream_gets_its_own_credential_from_an_allowed_variable() {
    // Two that are set everywhere: the environment of a running process cannot be changed safely.
    let setup = Setup {
        settings: vec![Box::new(|settings| settings.credential_variables = vec!["PATH".to_owned()])],
        models: vec![
            Box::new(|url: &str| {
                fixtures::model("with", vec![with_variable("PATH", fixtures::upstream(url, "sim-chat"))])
            }),
            Box::new(|url: &str| {
                fixtures::model("forbidden", vec![with_variable("HOME", fixtures::upstream(url, "sim-chat"))])
            }),
        ],
        ..Setup::default()
    };
    let world = World::with(setup).await;
    let required = Behaviour { required_api_key: std::env::var("PATH").ok(), ..Behaviour::default() };
    world.upstream.set_behaviour(required);
    assert_eq!(world.chat("with", "").send().await.status, 200);
    assert_eq!(world.chat("forbidden", "").send().await.error(), (503, "model_unavailable".to_owned()));
}

#[tokio::test]
async fn a_sealed_credential_is_opened_for_its_own_upstream_only() {
    let encryption_key = "07".repeat(32);
    let keys = SealingKeys::from_hex(&[(1, &encryption_key)]).unwrap();
    let sealed_for = move |url: &str, bound_to_id: Option<Uuid>| {
        let plain = fixtures::upstream(url, "sim-chat");
        let id = bound_to_id.unwrap_or_else(|| Uuid::from_slice(&plain.id).unwrap());
        let authority = url.strip_prefix("http://").unwrap().strip_suffix("/v1").unwrap();
        let bound_to = credential_binding(&UpstreamId::from_uuid(id).to_string(), "http", authority);
        let sealed = keys.seal(b"sealed-secret", bound_to.as_bytes()).unwrap();
        let sealed = EncryptedSecret {
            key_version: sealed.key_version,
            nonce: sealed.nonce.to_vec().into(),
            ciphertext: sealed.ciphertext.into(),
        };
        UpstreamState { credential: Some(Credential { source: Some(Source::Encrypted(sealed)) }), ..plain }
    };
    let moved = sealed_for.clone();
    let setup = Setup {
        settings: vec![Box::new(move |settings| {
            settings.encryption_key = maas_runtime::config::Secret::new(encryption_key)
        })],
        models: vec![
            Box::new(move |url: &str| fixtures::model("sealed", vec![sealed_for(url, None)])),
            Box::new(move |url: &str| fixtures::model("moved", vec![moved(url, Some(Uuid::from_u128(9)))])),
        ],
        ..Setup::default()
    };
    let world = World::with(setup).await;
    assert_eq!(world.chat("sealed", "").send().await.status, 200);
    assert_eq!(world.upstream.last_requests()[0].header("authorization"), Some("Bearer sealed-secret"));
    assert_eq!(world.chat("moved", "").send().await.error(), (503, "model_unavailable".to_owned()));
}

#[tokio::test]
async fn answers_say_what_they_cost_and_what_we_took() {
    let world = World::start().await;
    let answer = world.chat("chat", "").send().await;
    assert_eq!(answer.header("x-maas-cost"), Some("0.000003150"));
    assert!(answer.header("x-maas-overhead-ms").unwrap().parse::<f64>().unwrap() < 1_000.0);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let minted = answer.header("x-request-id").unwrap();
    assert!(minted.starts_with("req_"));
    let hostile = world.chat("chat", "").id("a b").send().await;
    assert!(hostile.header("x-request-id").unwrap().starts_with("req_"));
}
