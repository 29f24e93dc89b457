//! Bad input: each kind has its documented 4xx, and nothing changes.

use maas_testkit::SimulatedUpstream;
use maas_testkit::upstream::Operation;
use maas_tests::{Answer, Api, DataPlane, PATIENCE, Standalone, StandaloneOptions, oversized_body, wait_for_rows};
use reqwest::Method;
use serde_json::{Value, json};

const TOO_LARGE: usize = 33 * 1024 * 1024;
const LISTS: [&str; 5] = ["/api/v1/keys", "/api/v1/models", "/api/v1/users", "/api/v1/audit", "/api/v1/usage/requests"];

#[tokio::test]
async fn bad_input_is_refused_as_documented_and_changes_nothing() {
    let upstream = SimulatedUpstream::start().unwrap();
    let options = StandaloneOptions { upstreams: vec![upstream.base_url()], ..Default::default() };
    let world = Standalone::start_with(&options).await.unwrap();
    let api = world.api();
    let (key_id, secret) = api.create_key("spotless").await;
    let before = state(&api).await;

    bad_queries(&api).await;
    bad_keys(&api, &key_id).await;
    bad_bodies(&api, &world.bootstrap.url, &world.bootstrap.admin_token).await;
    assert_eq!(state(&api).await, before, "something was changed");

    let requests_before = upstream.counters().requests_of(Operation::ChatCompletions);
    bad_inference(&DataPlane::new(&world.bootstrap.url, &secret)).await;
    bad_inference_bodies(&world.bootstrap.url, &secret).await;
    assert_eq!(upstream.counters().requests_of(Operation::ChatCompletions), requests_before);
    // A good request comes through afterwards, and is the only one in the books.
    DataPlane::new(&world.bootstrap.url, &secret).chat("sim-chat").await.expect(200);
    wait_for_rows(&api, &key_id, 1, PATIENCE).await;
}

/// All that a refused change could have touched.
async fn state(api: &Api) -> Vec<Value> {
    let mut state = Vec::new();
    for path in ["/api/v1/keys", "/api/v1/models", "/api/v1/users"] {
        state.push(api.get(&format!("{path}?limit=1000")).await.expect(200));
    }
    state
}

/// The fault at `pointer` in a 400.
#[track_caller]
fn refused_at(answer: &Answer, pointer: &str) {
    assert_eq!(answer.problem(400), "invalid_input", "{}", answer.text);
    let body = answer.json();
    let faults = body["errors"].as_array().expect("the faults");
    assert!(faults.iter().any(|fault| fault["pointer"] == pointer), "no fault at {pointer}: {body}");
    for fault in faults {
        assert!(fault["code"].is_string() && fault["detail"].is_string(), "{body}");
    }
}

async fn bad_queries(api: &Api) {
    for list in LISTS {
        api.get(&format!("{list}?limit=1")).await.expect(200);
        for limit in ["0", "1001", "ten", "-1", "1.5", ""] {
            refused_at(&api.get(&format!("{list}?limit={limit}")).await, "?limit");
        }
        for cursor in ["nonsense", "", "AAAA", "e30"] {
            refused_at(&api.get(&format!("{list}?cursor={cursor}")).await, "?cursor");
        }
        assert_eq!(api.get(&format!("{list}?no_such_parameter=1")).await.problem(400), "invalid_input");
    }
    let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    for path in ["/api/v1/usage/summary", "/api/v1/usage/requests"] {
        api.get(&format!("{path}?from={early}&to={late}")).await.expect(200);
        refused_at(&api.get(&format!("{path}?from={late}&to={early}")).await, "?from");
        refused_at(&api.get(&format!("{path}?from={early}&to={early}")).await, "?from");
        refused_at(&api.get(&format!("{path}?from=yesterday")).await, "?from");
        refused_at(&api.get(&format!("{path}?key_id=nonsense")).await, "?key_id");
    }
}

async fn bad_keys(api: &Api, key_id: &str) {
    let name = |length| "n".repeat(length);
    let cases = [
        (json!({"name": "x", "models": []}), "/models"),
        (json!({"name": "x", "models": ["no/such-model"]}), "/models/0"),
        (json!({"name": name(256)}), "/name"),
        (json!({"name": "é".repeat(256)}), "/name"),
        (json!({"name": ""}), "/name"),
        (json!({"name": "x", "colour": "red"}), "/colour"),
        (json!({"name": 7}), "/name"),
        (json!({"name": "x", "expires_in": "soon"}), "/expires_in"),
    ];
    for (body, pointer) in &cases {
        refused_at(&api.post("/api/v1/keys", body).await, pointer);
    }
    let path = format!("/api/v1/keys/{key_id}");
    for (body, pointer) in [&cases[0], &cases[1], &cases[2], &cases[5]] {
        let mut change = body.clone();
        // A change that would be good but for its fault must not be made in part either.
        change["description"] = json!("half a change");
        refused_at(&api.patch(&path, &change).await, pointer);
    }
    // A missing field is a fault of the whole.
    assert_eq!(api.post("/api/v1/keys", &json!({})).await.problem(400), "invalid_input");
    let unknown = "/api/v1/keys/key_00000000000000000000000000000000";
    let status = api.get(unknown).await.status;
    assert!([400, 404].contains(&status), "{status}");
    // The longest name is good; it goes again so that the state is as before.
    assert_eq!(api.get("/api/v1/keys?limit=1000").await.expect(200)["data"].as_array().unwrap().len(), 2);
}

async fn bad_bodies(api: &Api, url: &str, token: &str) {
    let path = "/api/v1/keys";
    let with_body = |media_type: &str, body: String| {
        api.send(api.request(Method::POST, path).header("content-type", media_type).body(body))
    };
    let good = json!({"name": "x"}).to_string();
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/xml"] {
        assert_eq!(with_body(media_type, good.clone()).await.problem(415), "unsupported_media_type");
    }
    for body in ["", "{", "{\"name\": \"x\"} trailing", "\u{0}"] {
        assert_eq!(with_body("application/json", body.to_owned()).await.problem(400), "invalid_json", "{body:?}");
    }
    // The shape is wrong before it gets too deep; either is said to be the client's fault.
    let code = with_body("application/json", nested(200)).await.problem(400);
    assert!(["invalid_json", "invalid_input"].contains(&code.as_str()), "{code}");
    for declared in [true, false] {
        let answer = oversized_body(url, path, token, TOO_LARGE, declared).await.unwrap();
        assert_eq!(answer.status, 413, "declared {declared}: {}", answer.body);
        assert!(answer.body.contains("body_too_large"), "{}", answer.body);
    }
}

async fn bad_inference(client: &DataPlane) {
    let path = "/v1/chat/completions";
    let messages = json!([{"role": "user", "content": "hello"}]);
    let refused = |answer: &Answer, status, code: &str, param: Value| {
        assert_eq!(answer.api_error(status), code, "{}", answer.text);
        assert_eq!(answer.json()["error"]["param"], param, "{}", answer.text);
    };
    let unknown = client.post(path, &json!({"model": "no/such-model", "messages": messages})).await;
    refused(&unknown, 404, "model_not_found", json!("model"));
    refused(&client.post(path, &json!({"messages": messages})).await, 400, "invalid_request", json!("model"));
    refused(
        &client.post(path, &json!({"model": 7, "messages": messages})).await,
        400,
        "invalid_request",
        json!("model"),
    );
    let streamed = json!({"model": "sim-chat", "messages": messages, "stream": "yes"});
    refused(&client.post(path, &streamed).await, 400, "invalid_request", json!("stream"));

    let with = |name: &'static str, value: &'static str, body: String| {
        client.send(client.request(Method::POST, path).header(name, value).body(body))
    };
    for body in ["", "{", "[]", "7", "{\"model\":\"sim-chat\",}"] {
        assert_eq!(with("content-type", "application/json", body.to_owned()).await.api_error(400), "invalid_request");
    }
    let good = json!({"model": "sim-chat", "messages": messages}).to_string();
    assert_eq!(with("content-type", "text/plain", good.clone()).await.api_error(415), "unsupported_media_type");
    assert_eq!(with("content-encoding", "lzma", good).await.api_error(415), "unsupported_encoding");
    assert_eq!(with("content-type", "application/json", nested(200)).await.api_error(400), "invalid_request");
    assert_eq!(client.get(path).await.api_error(405), "method_not_allowed");
    assert_eq!(client.get("/v1/no-such-path").await.api_error(404), "unknown_url");
}

async fn bad_inference_bodies(url: &str, secret: &str) {
    for declared in [true, false] {
        let answer = oversized_body(url, "/v1/chat/completions", secret, TOO_LARGE, declared).await.unwrap();
        assert_eq!(answer.status, 413, "declared {declared}: {}", answer.body);
        assert!(answer.body.contains("request_too_large"), "{}", answer.body);
    }
    // Who has no key is told so before anything is said of the body.
    let answer = oversized_body(url, "/v1/chat/completions", "sk-wrong", TOO_LARGE, false).await.unwrap();
    assert_eq!(answer.status, 401, "{}", answer.body);
}

/// Valid JSON, only deeper than anybody needs.
fn nested(depth: usize) -> String {
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    format!("{{\"name\":\"x\",\"model\":\"sim-chat\",\"messages\":{open}1{close},\"labels\":{open}1{close}}}")
}
