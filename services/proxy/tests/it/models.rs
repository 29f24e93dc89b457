//! Which models a key may call, and what it can learn.

use std::sync::Arc;

use maas_bus::Bus as _;
use maas_events::{topic::KEY_USAGE_SUBJECT, usage::KeyUsage};
use prost::Message as _;
use serde_json::Value;

use crate::world::World;

fn names(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_cannot_be_called_is_refused_with_its_reason() {
    let world = World::start().await;
    let cases = [
        ("unheard-of", 404, "model_not_found"),
        ("disabled", 404, "model_not_found"),
        ("deleted", 404, "model_not_found"),
        ("restricted", 403, "model_not_allowed"),
        ("no-upstream", 503, "model_unavailable"),
    ];
    for (model, status, code) in cases {
        let answer = world.chat(model, "").send().await;
        assert_eq!(answer.error(), (status, code.to_owned()), "{model}");
        assert_eq!(answer.header("retry-after").is_some(), status == 503, "{model}");
        if status != 503 {
            assert_eq!(answer.json()["error"]["param"], "model", "{model}");
        }
    }
    assert!(world.finish().await.is_empty());
}

#[tokio::test]
async fn a_key_with_a_list_reaches_its_models_only_also_by_alias() {
    let world = World::start().await;
    let narrow = world.add_key(|state| (state.all_models, state.models) = (false, vec!["chat".to_owned()])).await;
    let none = world.add_key(|state| state.all_models = false).await;
    let body = |model: &str| crate::world::chat_body(model, "").to_string();
    let call = |key: &str, model: &str| world.request("POST", crate::world::CHAT).key(key).body(body(model)).send();
    assert_eq!(call(narrow.expose(), "chat").await.status, 200);
    assert_eq!(call(narrow.expose(), "gpt-alias").await.status, 200);
    assert_eq!(call(narrow.expose(), "sim-chat").await.error(), (403, "model_not_allowed".to_owned()));
    assert_eq!(call(none.expose(), "chat").await.error(), (403, "model_not_allowed".to_owned()));
    assert_eq!(names(&world.get("/v1/models").key(narrow.expose()).send().await.json()), ["chat"]);
    assert_eq!(world.get("/v1/models").key(none.expose()).send().await.json()["data"], serde_json::json!([]));
}

#[tokio::test]
async fn the_list_holds_what_can_be_called_and_stays_the_same() {
    let world = World::start().await;
    let list = world.get("/v1/models").key(world.key.expose()).send().await.json();
    assert_eq!(list["object"], "list");
    assert!(names(&list).contains(&"org/slash"));
    for hidden in ["disabled", "restricted", "deleted", "gpt-alias"] {
        assert!(!names(&list).contains(&hidden), "{hidden}");
    }
    assert_eq!(list, world.get("/models?limit=1000").key(world.key.expose()).send().await.json());
}

#[tokio::test]
async fn one_model_is_found_under_every_spelling_of_its_id() {
    let world = World::start().await;
    for path in ["/v1/models/org/slash", "/v1/models/org%2Fslash", "/models/org%2fslash/"] {
        let answer = world.get(path).key(world.key.expose()).send().await;
        assert_eq!((answer.status, answer.json()["id"].as_str()), (200, Some("org/slash")), "{path}");
    }
    let head = world.request("HEAD", "/v1/models").key(world.key.expose()).send().await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let unknown = world.get("/v1/models/nothing").key(world.key.expose()).send().await;
    assert_eq!(unknown.error(), (404, "model_not_found".to_owned()));
}

#[tokio::test]
async fn a_key_can_read_itself() {
    let world = World::start().await;
    let own = || world.get("/v1/key").key(world.key.expose()).send();
    let alone = own().await.json();
    assert_eq!((&alone["name"], &alone["usage"]), (&Value::from("test key"), &Value::Null));
    let usage = KeyUsage { requests: 3, cost_nanos: 3_150, currency: "USD".to_owned(), ..Default::default() };
    let responder = move |_: bytes::Bytes| -> maas_bus::AnswerFuture {
        let answer = usage.encode_to_vec().into();
        Box::pin(async move { answer })
    };
    world.bus.respond(KEY_USAGE_SUBJECT, Arc::new(responder)).await.unwrap();
    let answer = own().await;
    assert!(!answer.text().contains(world.key.expose()));
    assert_eq!(answer.json()["usage"]["cost"], serde_json::json!({"amount": "0.000003150", "currency": "USD"}));
    assert_eq!(world.get("/v1/key").send().await.error(), (401, "invalid_api_key".to_owned()));
}
