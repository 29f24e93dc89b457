//! One discovered server by its own address: `/{namespace}/{service}/…` has the whole data plane of that server's models,
//! under the names that it gives them itself.

use maas_events::state::UpstreamState;
use maas_testkit::SimulatedUpstream;
use serde_json::json;

use crate::{
    fixtures,
    world::{Setup, World, chat_body},
};

const INSTANCE: &str = "/llm/gemini-stack";

/// Besides the usual models, which include a public `sim-chat`, two that one server has: under the same name, and under
/// one with slashes.
async fn world(server: &SimulatedUpstream) -> World {
    let there = |url: &str, model: &str| {
        let instance = INSTANCE.trim_start_matches('/').to_owned();
        UpstreamState { instance, name: "there".to_owned(), ..fixtures::upstream(url, model) }
    };
    let (one, other) = (server.base_url(), server.base_url());
    let setup = Setup {
        models: vec![
            Box::new(move |_: &str| fixtures::model("stack-chat", vec![there(&one, "sim-chat")])),
            Box::new(move |_: &str| fixtures::model("stack-llama", vec![there(&other, "sim/llama-3.1-8b")])),
        ],
        ..Setup::default()
    };
    World::with(setup).await
}

#[tokio::test]
async fn the_list_has_the_servers_own_names() {
    let server = SimulatedUpstream::start().unwrap();
    let world = world(&server).await;
    for path in ["/v1/models", "/models", "/v1/models?limit=1000"] {
        let list = world.get(&format!("{INSTANCE}{path}")).key(world.key.expose()).send().await.json();
        let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
        assert_eq!(names, ["sim-chat", "sim/llama-3.1-8b"], "{path}");
    }
    let one = world.get(&format!("{INSTANCE}/v1/models/sim/llama-3.1-8b")).key(world.key.expose()).send().await;
    assert_eq!((one.status, one.json()["id"].as_str()), (200, Some("sim/llama-3.1-8b")));
    let absent = world.get(&format!("{INSTANCE}/v1/models/chat")).key(world.key.expose()).send().await;
    assert_eq!(absent.error(), (404, "model_not_found".to_owned()));
    assert!(server.last_requests().is_empty(), "lists never ask the server");
}

#[tokio::test]
async fn a_call_reaches_that_server_and_is_booked_under_the_public_name() {
    let server = SimulatedUpstream::start().unwrap();
    let world = world(&server).await;
    for (path, name) in [
        ("/v1/chat/completions", "sim-chat"),
        ("/chat/completions", "sim-chat"),
        ("//v1/chat/completions/", "stack-chat"),
    ] {
        let path = format!("{INSTANCE}{path}");
        let answer = world.post(&path, &chat_body(name, "")).id(&path.replace('/', "-")).send().await;
        assert_eq!((answer.status, answer.json()["model"].as_str()), (200, Some(name)), "{path}");
        let event = world.event(&path.replace('/', "-")).await;
        assert_eq!((event.model.as_str(), event.upstream.as_str()), ("stack-chat", "there"), "{path}");
    }
    assert!(world.upstream.last_requests().is_empty());
    let embedding = json!({"model": "sim/llama-3.1-8b", "input": "a"});
    assert_eq!(world.post(&format!("{INSTANCE}/v1/embeddings"), &embedding).send().await.status, 200);
}

#[tokio::test]
async fn a_model_that_the_server_does_not_have_is_not_found_there() {
    let server = SimulatedUpstream::start().unwrap();
    let world = world(&server).await;
    let answer = world.post(&format!("{INSTANCE}/v1/chat/completions"), &chat_body("chat", "")).send().await;
    assert_eq!(answer.error(), (404, "model_not_found".to_owned()));
}

#[tokio::test]
async fn an_unknown_instance_is_an_unknown_address() {
    let server = SimulatedUpstream::start().unwrap();
    let world = world(&server).await;
    for path in ["/llm/none/v1/chat/completions", "/other/gemini-stack/v1/chat/completions", "/llm/v1/chat/completions"]
    {
        let answer = world.post(path, &chat_body("sim-chat", "")).send().await;
        assert_eq!(answer.error(), (404, "unknown_url".to_owned()), "{path}");
    }
    assert_eq!(world.get("/llm/none/health").send().await.status, 404);
}

#[tokio::test]
async fn its_health_needs_no_key() {
    let server = SimulatedUpstream::start().unwrap();
    let world = world(&server).await;
    for path in ["", "/health", "/v1/health", "/v1"] {
        assert_eq!(world.get(&format!("{INSTANCE}{path}")).send().await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn the_keys_rights_hold_behind_it() {
    let server = SimulatedUpstream::start().unwrap();
    let world = world(&server).await;
    let narrow = world.add_key(|state| (state.all_models, state.models) = (false, vec!["stack-chat".to_owned()])).await;
    let call = |model: &str| {
        let request = world.request("POST", &format!("{INSTANCE}/v1/chat/completions")).key(narrow.expose());
        request.body(chat_body(model, "").to_string())
    };
    assert_eq!(call("sim-chat").send().await.status, 200);
    assert_eq!(call("sim/llama-3.1-8b").send().await.error(), (403, "model_not_allowed".to_owned()));
    let list = world.get(&format!("{INSTANCE}/v1/models")).key(narrow.expose()).send().await.json();
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    let nobody = world.request("POST", &format!("{INSTANCE}/v1/chat/completions")).body("{}").send().await;
    assert_eq!(nobody.error(), (401, "invalid_api_key".to_owned()));
}
