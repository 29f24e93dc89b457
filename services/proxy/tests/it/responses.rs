//! Clients of OpenAI's Responses, on upstreams that speak it, on those that only know chat completions, and on Anthropic's.

use maas_events::{state::UpstreamState, usage::Quality};
use serde_json::{Value, json};

use crate::{
    fixtures,
    http::Answer,
    world::{COST_OF_FIVE_AND_FOUR, RESPONSES, SHORTLY, World, response_body},
};

/// Served natively, through chat completions, and through Messages.
const MODELS: [&str; 3] = ["native", "chat", "claude"];

fn with_tool(model: &str) -> Value {
    let mut body = response_body(model, "tool-call");
    let parameters = json!({"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]});
    body["tools"] = json!([{"type": "function", "name": "look_up", "parameters": parameters}]);
    body
}

fn output_text(response: &Value) -> String {
    let message = response["output"].as_array().unwrap().iter().find(|item| item["type"] == "message");
    message.unwrap_or_else(|| panic!("{response}"))["content"][0]["text"].as_str().unwrap().to_owned()
}

/// The response in the last event, which must have that name.
#[track_caller]
fn last(answer: &Answer, name: &str) -> Value {
    let events = answer.events();
    let (last, data) = events.last().unwrap();
    assert_eq!(last, name, "{}", answer.text());
    data["response"].clone()
}

#[tokio::test]
async fn a_whole_response_is_the_same_from_every_upstream() {
    let world = World::start().await;
    for model in MODELS {
        let answer = world.response(model, "").id(model).send().await;
        let response = answer.json();
        assert_eq!(
            (answer.status, &response["object"], &response["status"]),
            (200, &json!("response"), &json!("completed"))
        );
        assert_eq!(response["model"], model);
        assert!(response["id"].as_str().unwrap().starts_with("resp_"), "{model}");
        assert_eq!(output_text(&response).split_whitespace().count(), 4, "{model}");
        let usage = &response["usage"];
        assert_eq!(
            (&usage["input_tokens"], &usage["output_tokens"], &usage["total_tokens"]),
            (&json!(5), &json!(4), &json!(9))
        );
        let event = world.event(model).await;
        assert_eq!((event.operation.as_str(), event.quality()), ("responses", Quality::Exact), "{model}");
        assert_eq!((event.outcome.as_str(), event.cost_nanos), ("success", COST_OF_FIVE_AND_FOUR), "{model}");
    }
}

#[tokio::test]
async fn a_streamed_response_is_the_same_from_every_upstream() {
    let world = World::start().await;
    for model in MODELS {
        let answer = world.response_stream(model, "").id(model).send().await;
        let response = last(&answer, "response.completed");
        assert_eq!(
            (&response["model"], output_text(&response).split_whitespace().count()),
            (&json!(model), 4),
            "{model}"
        );
        assert_eq!(response["usage"]["total_tokens"], 9, "{model}");
        let events = answer.events();
        assert_eq!(events[0].0, "response.created", "{model}");
        assert_eq!(events[0].1["response"]["id"], response["id"], "{model}: one id from the first to the last");
        assert!(events.iter().enumerate().all(|(at, (_, data))| data["sequence_number"] == at), "{model}");
        let deltas = answer.events_named("response.output_text.delta");
        let text: String = deltas.iter().map(|event| event["delta"].as_str().unwrap()).collect();
        assert_eq!(text, output_text(&response), "{model}");
        let event = world.event(model).await;
        assert_eq!((event.quality(), event.cost_nanos), (Quality::Exact, COST_OF_FIVE_AND_FOUR), "{model}");
    }
}

#[tokio::test]
async fn tools_are_called_through_every_upstream() {
    let world = World::start().await;
    for model in MODELS {
        let mut body = with_tool(model);
        let response = world.post(RESPONSES, &body).send().await.json();
        let call = &response["output"][0];
        assert_eq!((&call["type"], &call["name"]), (&json!("function_call"), &json!("look_up")), "{model}: {response}");
        let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
        assert!(arguments["what"].is_string() && call["call_id"].is_string(), "{model}");
        body["stream"] = json!(true);
        let streamed = world.post(RESPONSES, &body).send().await;
        let done = &streamed.events_named("response.function_call_arguments.done")[0];
        assert_eq!(done["arguments"], call["arguments"], "{model}");
        assert_eq!(last(&streamed, "response.completed")["output"][0]["arguments"], call["arguments"], "{model}");
    }
}

#[tokio::test]
async fn a_conversation_with_a_calls_output_goes_on() {
    let world = World::start().await;
    for model in MODELS {
        let mut body = with_tool(model);
        body["instructions"] = json!("Be brief.");
        body["input"] = json!([
            {"role": "user", "content": [{"type": "input_text", "text": "Where is it?"}]},
            {"type": "function_call", "call_id": "call_1", "name": "look_up", "arguments": "{\"what\":\"it\"}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "on the table"},
        ]);
        let answer = world.post(RESPONSES, &body).send().await;
        assert_eq!(answer.status, 200, "{model}: {answer:?}");
        assert_eq!(output_text(&answer.json()).split_whitespace().count(), 4, "{model}");
    }
}

#[tokio::test]
async fn a_response_at_its_limit_is_incomplete() {
    let world = World::start().await;
    for model in MODELS {
        let mut body = response_body(model, "tokens-50");
        body["max_output_tokens"] = json!(3);
        let response = world.post(RESPONSES, &body).id(model).send().await.json();
        assert_eq!(response["status"], "incomplete", "{model}");
        assert_eq!(response["incomplete_details"]["reason"], "max_output_tokens", "{model}");
        let event = world.event(model).await;
        assert_eq!((event.outcome.as_str(), event.tokens.unwrap().output), ("success", 3), "{model}");
        body["stream"] = json!(true);
        last(&world.post(RESPONSES, &body).send().await, "response.incomplete");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_ends_as_failed() {
    let world = World::start().await;
    for model in MODELS {
        for fault in ["fault-cut", "fault-no-finish-reason", "fault-error-frame"] {
            let id = format!("{model}-{fault}");
            let answer = world.response_stream(model, fault).id(&id).send().await;
            let response = last(&answer, "response.failed");
            assert!(response["error"]["message"].is_string(), "{id}: {response}");
            let event = world.event(&id).await;
            assert_eq!((event.outcome.as_str(), event.status), ("upstream_error", 200), "{id}");
            assert!(event.cost_nanos > 0, "{id}: what was relayed is booked");
        }
    }
}

#[tokio::test]
async fn a_stall_ends_as_failed_in_time() {
    let world = World::with_model(|url| {
        let native = fixtures::speaking(&["responses"], fixtures::upstream(url, "sim-chat"));
        fixtures::model("short-native", vec![UpstreamState { gap_timeout_ms: 150, ..native }])
    })
    .await;
    for model in ["short-native", "short-gap"] {
        let answer = world.response_stream(model, "fault-stall").id(model).send().await;
        last(&answer, "response.failed");
        assert_eq!(world.event(model).await.outcome, "upstream_timeout", "{model}");
    }
    world.upstream_counts(|counters| counters.cancelled == 2).await;
}

#[tokio::test]
async fn a_response_that_has_failed_upstream_is_passed_on_and_booked() {
    let world = World::start().await;
    let answer = world.response_stream("native", "response-failed").id("failed").send().await;
    last(&answer, "response.failed");
    let event = world.event("failed").await;
    assert_eq!((event.outcome.as_str(), event.tokens.unwrap().input), ("upstream_error", 5));
    assert!(event.tokens.unwrap().output > 0 && event.cost_nanos > 0);
}

#[tokio::test]
async fn a_whole_response_that_has_failed_is_no_success_in_the_books() {
    let world = World::start().await;
    let answer = world.response("native", "response-failed").id("failed").send().await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("failed")));
    let event = world.event("failed").await;
    assert_eq!((event.outcome.as_str(), event.error_code.as_str()), ("upstream_error", "upstream_error"));
    assert_eq!((event.tokens.unwrap().input, event.quality()), (5, Quality::Exact));
}

#[tokio::test]
async fn while_nothing_comes_there_are_comments() {
    let world = World::with_settings(|settings| settings.ping_interval = SHORTLY).await;
    for model in MODELS {
        let answer = world.response_stream(model, "delay-400").send().await;
        assert!(answer.text().starts_with(": ping\n\n: ping\n\n"), "{model}: {}", answer.text());
        last(&answer, "response.completed");
        let late = world.response_stream(model, "delay-300+error-internal").send().await;
        assert_eq!(late.status, 200, "{model}");
        last(&late, "response.failed");
    }
}

#[tokio::test]
async fn failures_are_in_openais_shape() {
    let world = World::start().await;
    world.upstream.change_behaviour(|behaviour| behaviour.retry_after_seconds = 7_200);
    for model in MODELS {
        for (modifier, status, code) in [
            ("error-rate-limited", 429, "upstream_rate_limited"),
            ("error-unauthorized", 502, "upstream_auth_failed"),
            ("error-context-overflow", 400, "context_length_exceeded"),
            ("error-malformed-json", 502, "upstream_error"),
        ] {
            let answer = world.response(model, modifier).send().await;
            assert_eq!(answer.error(), (status, code.to_owned()), "{model} {modifier}");
        }
    }
    assert_eq!(world.response("unheard-of", "").send().await.error(), (404, "model_not_found".to_owned()));
}

#[tokio::test]
async fn what_could_not_be_metered_or_belongs_to_others_is_refused() {
    let world = World::start().await;
    for model in MODELS {
        for (member, value) in
            [("background", json!(true)), ("conversation", json!("conv_1")), ("conversation", json!({"id": "conv_1"}))]
        {
            let mut body = response_body(model, "");
            body[member] = value;
            let answer = world.post(RESPONSES, &body).send().await;
            assert_eq!(answer.error(), (400, "unsupported_parameter".to_owned()), "{model} {member}");
            assert_eq!(answer.json()["error"]["param"], member, "{model}");
        }
        let mut body = response_body(model, "");
        (body["background"], body["conversation"]) = (json!(false), Value::Null);
        assert_eq!(world.post(RESPONSES, &body).send().await.status, 200, "{model}");
    }
}

#[tokio::test]
async fn a_translated_response_has_nothing_to_go_on_from() {
    let world = World::start().await;
    for model in ["chat", "claude"] {
        let first = world.response(model, "").send().await.json();
        let mut body = response_body(model, "");
        body["previous_response_id"] = first["id"].clone();
        let answer = world.post(RESPONSES, &body).send().await;
        assert_eq!(answer.error(), (400, "unsupported_parameter".to_owned()), "{model}");
        assert_eq!(answer.json()["error"]["param"], "previous_response_id", "{model}");
        let path = format!("{RESPONSES}/{}", first["id"].as_str().unwrap());
        assert_eq!(world.get(&path).key(world.key.expose()).send().await.error().0, 404, "{model}");
    }
}

#[tokio::test]
async fn every_manner_of_an_upstream_comes_out_as_the_same_stream() {
    let world = World::start().await;
    for model in MODELS {
        for manner in ["drip", "framing-crlf", "framing-comments", "usage-always", "usage-cumulative", "fault-no-done"]
        {
            let id = format!("{model}-{manner}");
            let answer = world.response_stream(model, manner).id(&id).send().await;
            assert_eq!(output_text(&last(&answer, "response.completed")).split_whitespace().count(), 4, "{id}");
            let event = world.event(&id).await;
            assert_eq!((event.quality(), event.cost_nanos), (Quality::Exact, COST_OF_FIVE_AND_FOUR), "{id}");
        }
    }
}
