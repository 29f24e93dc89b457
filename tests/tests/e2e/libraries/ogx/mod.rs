//! OGX, which was Llama Stack: a server that knows this platform as its provider, and the other way round. With a real one
//! where it can be installed, and everywhere with what a real one has said (`tests/sdk/ogx/record.py`).

mod platform;
mod recorded;
mod server;

use maas_testkit::{ChildProcess, SimulatedUpstream};
use maas_tests::{PATIENCE, exchange};
use serde_json::json;

use super::books::Books;
use super::interpreter::Interpreter;
use super::world::World;
use platform::{CHAT_MODEL, Platform, SLASHED_MODEL};
use recorded::{RecordedOgx, recorded};
use server::Ogx;

#[tokio::test]
async fn ogx_works_through_the_platform() {
    let Some(python) = Interpreter::python_if_possible("ogx") else { return };
    let mut world = World::start().await;
    let root = world.standalone.bootstrap.url.clone();
    let vllm = |key: &str| json!({"base_url": format!("{root}/v1"), "api_token": key});
    let providers = [
        ("maas-openai", "remote::openai", json!({"base_url": format!("{root}/v1"), "api_key": world.key})),
        ("maas-vllm", "remote::vllm", vllm(&world.key)),
        ("maas-other", "remote::vllm", vllm(&world.other_key)),
    ];
    // Without this, OGX takes every model of an OpenAI provider for one that chats.
    let embeddings = json!({
        "model_id": "maas-embeddings", "provider_id": "maas-openai", "provider_model_id": "sim-embed",
        "model_type": "embedding", "metadata": {"embedding_dimension": 16}
    });
    let ogx = Ogx::start(&python, &providers, &[embeddings]).await;

    world.tell("MAAS_OGX_URL", &ogx.url);
    let mut books = Books::default();
    books.add(&world.run(&Interpreter::python("clients"), "ogx/through.py").await);
    books.compare(&world).await;

    // With and without an instance before it.
    let mut health = python.script("ogx/health.py");
    health.arg(format!("{root}/v1")).arg(format!("{root}/{}/v1", world.instance()));
    let mut health = ChildProcess::spawn(health).unwrap();
    assert!(health.wait(PATIENCE).await.unwrap().success(), "{}", health.log());
}

#[tokio::test]
async fn ogx_serves_behind_the_platform() {
    let Some(python) = Interpreter::python_if_possible("ogx") else { return };
    let upstream = SimulatedUpstream::start().unwrap();
    let provider = json!({"base_url": upstream.base_url(), "api_token": "any"});
    let ogx = Ogx::start(&python, &[("sim", "remote::vllm", provider)], &[]).await;
    let platform = Platform::before(&ogx.url).await;

    platform.lists_ids_with_slashes().await;
    platform.chats_and_streams(CHAT_MODEL).await;
    platform.chats_and_streams(SLASHED_MODEL).await;
    platform.chats_at_its_own_path().await;
    let counters = upstream.counters();
    platform.has_booked(7, counters.input_tokens, counters.output_tokens).await;
    platform.reports_errors_that_come_as_data(8).await;
    platform.refuses_ids_without_a_provider().await;
}

#[tokio::test]
async fn what_an_ogx_once_answered_is_still_understood() {
    let ogx = RecordedOgx::start().await;
    let platform = Platform::before(&ogx.url).await;
    platform.lists_ids_with_slashes().await;
    platform.chats_and_streams(CHAT_MODEL).await;
    platform.has_booked(3, 15, 21).await;
    platform.reports_errors_that_come_as_data(4).await;
    platform.refuses_ids_without_a_provider().await;
}

#[tokio::test]
async fn what_an_ogx_once_asked_is_still_answered() {
    let world = World::start().await;
    for name in ["v1-models", "v1-chat-completions", "v1-chat-completions-stream", "v1-embeddings", "rerank", "health"]
    {
        let request = recorded("requests", name).replace("THE-KEY", &world.key);
        // The end of the connection is the end of every answer, streams too.
        let request = request.replace("Connection: keep-alive", "Connection: close");
        let answer = exchange(&world.standalone.bootstrap.url, request.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
    }
}
