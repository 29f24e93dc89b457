//! Upstreams of Azure OpenAI: paths with deployments or like OpenAI's own, the key in a header of its own, and answers
//! with the verdicts of its filters.

use maas_events::state::UpstreamState;
use serde_json::json;

use crate::{
    fixtures::{self, with_variable},
    forms::{Form, TRANSCRIPTIONS, sound},
    world::{COST_OF_FIVE_AND_FOUR, Setup, World},
};

/// The older way: the deployment is in the path.
fn by_deployment(base_url: &str, deployment: &str) -> UpstreamState {
    let root = base_url.strip_suffix("/v1").unwrap();
    UpstreamState { dialect: "azure_openai".to_owned(), ..fixtures::upstream(root, deployment) }
}

/// The newer way, like OpenAI's own paths.
fn by_body(base_url: &str) -> UpstreamState {
    let root = base_url.strip_suffix("/v1").unwrap();
    UpstreamState { dialect: "azure_openai".to_owned(), ..fixtures::upstream(&format!("{root}/openai/v1"), "sim-chat") }
}

async fn world() -> World {
    let dated = |upstream| UpstreamState { api_version: "2025-01-01-preview".to_owned(), ..upstream };
    let setup = Setup {
        settings: vec![Box::new(|settings| settings.credential_variables = vec!["PATH".to_owned()])],
        models: vec![
            Box::new(|url: &str| fixtures::model("azure", vec![with_variable("PATH", by_deployment(url, "sim-chat"))])),
            Box::new(move |url: &str| fixtures::model("dated", vec![dated(by_deployment(url, "sim/llama-3.1-8b"))])),
            Box::new(|url: &str| fixtures::model("azure-embed", vec![by_deployment(url, "sim-embed")])),
            Box::new(|url: &str| fixtures::model("azure-v1", vec![fixtures::speaking(&["responses"], by_body(url))])),
        ],
        ..Setup::default()
    };
    World::with(setup).await
}

#[tokio::test]
async fn the_deployment_and_the_version_are_in_the_address() {
    let world = world().await;
    for (model, target) in [
        ("azure", "/openai/deployments/sim-chat/chat/completions?api-version=2024-10-21"),
        ("dated", "/openai/deployments/sim%2Fllama-3.1-8b/chat/completions?api-version=2025-01-01-preview"),
        ("azure-v1", "/openai/v1/chat/completions"),
    ] {
        let answer = world.chat(model, "").id(model).send().await;
        assert_eq!((answer.status, answer.json()["model"].as_str()), (200, Some(model)), "{answer:?}");
        assert_eq!(world.upstream.last_request().unwrap().target, target);
        assert_eq!(world.event(model).await.cost_nanos, COST_OF_FIVE_AND_FOUR, "{model}");
    }
}

#[tokio::test]
async fn the_key_is_in_its_own_header() {
    let world = world().await;
    let secret = std::env::var("PATH").unwrap();
    world.upstream.change_behaviour(|behaviour| behaviour.required_api_key = Some(secret.clone()));
    assert_eq!(world.chat("azure", "").send().await.status, 200);
    let seen = world.upstream.last_request().unwrap();
    assert_eq!((seen.header("api-key"), seen.header("authorization")), (Some(secret.as_str()), None));
}

#[tokio::test]
async fn the_chunk_of_the_filters_breaks_no_client() {
    let world = world().await;
    let answer = world.stream_with_usage("azure", "").id("streamed").send().await;
    assert_eq!(answer.words(), 4);
    for chunk in answer.chunks() {
        assert!(chunk["choices"].is_array(), "{chunk}");
        assert_eq!(chunk["model"], "azure", "{chunk}");
    }
    let usages = answer.chunks().iter().filter(|chunk| chunk["usage"].is_object()).count();
    assert_eq!((usages, world.event("streamed").await.cost_nanos), (1, COST_OF_FIVE_AND_FOUR));
    // Without usage it is the only chunk without a choice.
    assert_eq!(world.stream("azure", "").send().await.words(), 4);
}

#[tokio::test]
async fn clients_of_other_languages_get_their_own() {
    let world = world().await;
    let message = world.message("azure", "").send().await.json();
    assert_eq!((&message["type"], &message["model"]), (&json!("message"), &json!("azure")));
    let streamed = world.message_stream("azure", "").id("message").send().await;
    assert_eq!(streamed.events().last().unwrap().0, "message_stop");
    assert_eq!(world.event("message").await.cost_nanos, COST_OF_FIVE_AND_FOUR);
    let streamed = world.response_stream("azure", "").send().await;
    assert_eq!(streamed.events().last().unwrap().0, "response.completed");
    let native = world.response("azure-v1", "").send().await.json();
    assert_eq!((&native["status"], &native["model"]), (&json!("completed"), &json!("azure-v1")));
    assert_eq!(world.upstream.last_request().unwrap().target, "/openai/v1/responses");
}

#[tokio::test]
async fn other_operations_have_deployments_too() {
    let world = world().await;
    let embedding = world.post("/v1/embeddings", &json!({"model": "azure-embed", "input": "a b"})).send().await;
    assert_eq!((embedding.status, &embedding.json()["model"]), (200, &json!("azure-embed")));
    let form = Form::default().field("model", "azure").file("file", &sound(10)).end();
    let transcript = world.upload(TRANSCRIPTIONS, &form).send().await.json();
    assert!(transcript["text"].as_str().unwrap().starts_with("received 10 bytes"));
    let rerank = json!({"model": "azure", "query": "a", "documents": ["a"]});
    assert_eq!(world.post("/v1/rerank", &rerank).send().await.error(), (400, "unsupported_parameter".to_owned()));
}

#[tokio::test]
async fn its_failures_are_understood() {
    let world = world().await;
    let overflow = world.chat("azure", "error-context-overflow").send().await;
    assert_eq!(overflow.error(), (400, "context_length_exceeded".to_owned()));
    assert_eq!(world.chat("azure", "error-unauthorized").send().await.error().1, "upstream_auth_failed");
}
