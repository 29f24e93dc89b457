//! Upstreams that only speak Anthropic's Messages, for clients of chat completions and of Responses.

use maas_events::{
    state::{ModelState, PriceState},
    usage::Quality,
};
use serde_json::{Value, json};

use crate::{
    fixtures::{self, INPUT_RATE, OUTPUT_RATE},
    world::{CHAT, COST_OF_FIVE_AND_FOUR, World, chat_body},
};

const CACHED_RATE: i64 = 75_000_000;
const CACHE_WRITE_RATE: i64 = 200_000_000;
/// Two of the five words are plain: 2 × 150, 2 read from the cache × 75, 1 written to it × 200, and 4 × 600.
const COST_WITH_CACHE: i64 = 2 * 150 + 2 * 75 + 200 + 4 * 600;

fn with_tool(mut body: Value) -> Value {
    let parameters = json!({"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]});
    body["tools"] = json!([{"type": "function", "function": {"name": "look_up", "parameters": parameters}}]);
    body["max_tokens"] = json!(100);
    body
}

async fn world_with_cache_prices() -> World {
    World::with_model(|url| {
        let model = fixtures::model("cached", vec![fixtures::anthropic(url)]);
        let price = PriceState {
            cached_input: Some(CACHED_RATE),
            cache_write_input: Some(CACHE_WRITE_RATE),
            input: INPUT_RATE,
            output: OUTPUT_RATE,
            ..model.prices[0].clone()
        };
        ModelState { prices: vec![price], ..model }
    })
    .await
}

#[tokio::test]
async fn a_chat_client_is_answered_in_its_language() {
    let world = World::start().await;
    let answer = world.chat("claude", "").id("whole").send().await;
    let chat = answer.json();
    assert_eq!((answer.status, &chat["object"], &chat["model"]), (200, &json!("chat.completion"), &json!("claude")));
    assert_eq!(chat["choices"][0]["message"]["content"].as_str().unwrap().split_whitespace().count(), 4);
    assert_eq!(chat["choices"][0]["finish_reason"], "length");
    assert_eq!((&chat["usage"]["prompt_tokens"], &chat["usage"]["completion_tokens"]), (&json!(5), &json!(4)));
    let seen = world.upstream.last_request().unwrap();
    assert_eq!((seen.target.as_str(), seen.header("anthropic-version")), ("/v1/messages", Some("2023-06-01")));
    let event = world.event("whole").await;
    assert_eq!(
        (event.operation.as_str(), event.cost_nanos, event.quality()),
        ("chat", COST_OF_FIVE_AND_FOUR, Quality::Exact)
    );
}

#[tokio::test]
async fn a_chat_stream_has_usage_if_it_was_asked_for() {
    let world = World::start().await;
    let usages = |chunks: &[Value]| chunks.iter().filter(|chunk| chunk["usage"].is_object()).count();
    let asked = world.stream_with_usage("claude", "").id("asked").send().await;
    let chunks = asked.chunks();
    assert_eq!((asked.words(), usages(&chunks)), (4, 1));
    let last = chunks.last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]["prompt_tokens"]), (&json!([]), &json!(5)));
    assert!(chunks.iter().all(|chunk| chunk["model"] == "claude" && chunk["object"] == "chat.completion.chunk"));
    let not_asked = world.stream("claude", "").id("not").send().await;
    assert_eq!((not_asked.words(), usages(&not_asked.chunks())), (4, 0));
    for id in ["asked", "not"] {
        let event = world.event(id).await;
        assert_eq!((event.quality(), event.cost_nanos), (Quality::Exact, COST_OF_FIVE_AND_FOUR), "{id}");
    }
}

#[tokio::test]
async fn tools_are_called_whole_and_streamed() {
    let world = World::start().await;
    let mut body = with_tool(chat_body("claude", "tool-call"));
    let chat = world.post(CHAT, &body).send().await.json();
    let call = &chat["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(
        (&chat["choices"][0]["finish_reason"], &call["function"]["name"]),
        (&json!("tool_calls"), &json!("look_up"))
    );
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments["what"].is_string());

    body["stream"] = json!(true);
    let chunks = world.post(CHAT, &body).send().await.chunks();
    let calls: Vec<&Value> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0]).collect();
    let streamed: String = calls.iter().filter_map(|call| call["function"]["arguments"].as_str()).collect();
    assert_eq!(serde_json::from_str::<Value>(&streamed).unwrap(), arguments);
    assert!(calls.iter().filter(|call| call.is_object()).all(|call| call["index"] == 0));
}

#[tokio::test]
async fn counts_that_are_disjoint_there_are_subsets_in_the_books() {
    let world = world_with_cache_prices().await;
    let modifiers = "cached-2+cache-creation-1";
    let chat = world.chat("cached", modifiers).id("chat").send().await.json();
    assert_eq!(chat["usage"]["prompt_tokens"], 5);
    assert_eq!(chat["usage"]["prompt_tokens_details"]["cached_tokens"], 2);
    world.stream("cached", modifiers).id("stream").send().await;
    let message = world.message("cached", modifiers).id("message").send().await.json();
    assert_eq!(
        (&message["usage"]["input_tokens"], &message["usage"]["cache_read_input_tokens"]),
        (&json!(2), &json!(2))
    );
    world.message_stream("cached", modifiers).id("message-stream").send().await;
    world.response("cached", modifiers).id("response").send().await;
    for id in ["chat", "stream", "message", "message-stream", "response"] {
        let event = world.event(id).await;
        let tokens = event.tokens.unwrap();
        assert_eq!((tokens.input, tokens.cached_input, tokens.cache_write_input, tokens.output), (5, 2, 1, 4), "{id}");
        assert_eq!((event.cost_nanos, event.quality()), (COST_WITH_CACHE, Quality::Exact), "{id}");
    }
}

#[tokio::test]
async fn its_failures_are_told_in_openais_words() {
    let world = World::start().await;
    world.upstream.change_behaviour(|behaviour| behaviour.retry_after_seconds = 7_200);
    for (modifier, status, code) in [
        ("error-context-overflow", 400, "context_length_exceeded"),
        ("error-unauthorized", 502, "upstream_auth_failed"),
        ("error-rate-limited", 429, "upstream_rate_limited"),
        ("error-malformed-json", 502, "upstream_error"),
    ] {
        for streamed in [false, true] {
            let request = if streamed { world.stream("claude", modifier) } else { world.chat("claude", modifier) };
            assert_eq!(request.send().await.error(), (status, code.to_owned()), "{modifier} {streamed}");
        }
    }
    for fault in ["fault-cut", "fault-error-frame", "fault-no-finish-reason"] {
        let answer = world.stream("claude", fault).id(fault).send().await;
        crate::http::checked_error(answer.chunks().last().unwrap());
        assert_eq!(world.event(fault).await.outcome, "upstream_error", "{fault}");
    }
}

#[tokio::test]
async fn what_it_cannot_do_is_refused_by_name() {
    let world = World::start().await;
    let mut body = chat_body("claude", "");
    body["logprobs"] = json!(true);
    let answer = world.post(CHAT, &body).send().await;
    assert_eq!(answer.error(), (400, "unsupported_parameter".to_owned()));
    assert_eq!(answer.json()["error"]["param"], "logprobs");
}
