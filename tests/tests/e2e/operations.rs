//! What an operator and a portal developer look at: health, metrics, documents, the explorer, the shape of errors.

use std::path::Path;

use maas_runtime::metrics::undeclared;
use maas_tests::{Answer, Api, PATIENCE, ProgramSpec, Standalone, chat_body, run_to_end, streamed, wait_for_rows};
use reqwest::Method;
use serde_json::Value;

const SERVICES: [&str; 5] = ["auth", "key-management", "model-catalog", "usage-ingest", "proxy"];

#[tokio::test]
async fn operators_and_developers_find_what_they_need() {
    let world = Standalone::start().await.unwrap();
    let api = world.api();
    let operations = Api::new(&world.bootstrap.ops_url, "");
    assert_eq!(operations.get("/livez").await.status, 200);
    assert_eq!(operations.get("/readyz").await.status, 200);
    // The public port says nothing of the inside.
    for path in ["/metrics", "/readyz"] {
        assert_ne!(api.get(path).await.status, 200, "{path} is public");
    }

    let (key_id, secret) = api.create_key("measured").await;
    let client = world.data_plane().with_key(&secret);
    client.chat("sim-chat").await.expect(200);
    client.stream(&streamed(chat_body("sim-chat"))).await;
    client.with_key("sk-wrong").chat("sim-chat").await.api_error(401);
    wait_for_rows(&api, &key_id, 2, PATIENCE).await;
    check_metrics(&operations.get("/metrics").await);

    check_health_paths(&world).await;
    check_errors(&api).await;
    check_explorer(&api).await;
    check_documents(&api).await;
}

fn check_metrics(answer: &Answer) {
    assert_eq!(answer.status, 200);
    assert_eq!(undeclared(&answer.text), Vec::<String>::new(), "not in docs/metrics.md");
    for sample in [
        "maas_build_info",
        "maas_readiness_check",
        "process_resident_memory_bytes",
        "http_server_request_duration_seconds_count",
        "maas_proxy_requests_total",
        "maas_proxy_tokens_total",
        "maas_proxy_overhead_seconds_count",
        "maas_proxy_time_to_first_token_seconds_count",
        "maas_proxy_upstream_attempts_total",
        "maas_proxy_auth_decisions_total",
        "maas_proxy_usage_events_total",
        "maas_proxy_journal_events",
        "maas_usage_events_total",
        "maas_usage_tokens_recorded_total",
        "maas_usage_commit_duration_seconds_count",
        "maas_usage_event_lag_seconds_count",
        "maas_keys_operations_total",
        "maas_catalog_models",
        "maas_outbox_pending",
    ] {
        let shown = answer.text.lines().any(|line| line.starts_with(sample) && !line.ends_with(" 0"));
        let may_be_zero = ["maas_proxy_journal_events", "maas_outbox_pending"].contains(&sample);
        assert!(shown || may_be_zero && answer.text.contains(sample), "{sample} is missing:\n{}", answer.text);
    }
    // Two requests of five words each; no key, user or prompt is a label.
    let input =
        answer.text.lines().filter(|line| line.starts_with("maas_proxy_tokens_total{") && line.contains("input"));
    let input: f64 = input.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
    assert_eq!(input, 10.0, "{}", answer.text);
    assert!(!answer.text.contains("=\"key_") && !answer.text.contains("=\"usr_"), "{}", answer.text);
}

async fn check_health_paths(world: &Standalone) {
    let anonymous = world.data_plane().with_key("");
    for path in ["/health", "/v1/health", "/ping"] {
        assert_eq!(anonymous.get(path).await.status, 200, "{path}");
    }
    let head = anonymous.send(anonymous.request(Method::HEAD, "/")).await;
    assert_eq!(head.status, 200, "HEAD /");
}

async fn check_errors(api: &Api) {
    assert_eq!(api.anonymous().get("/api/v1/keys").await.problem(401), "not_authenticated");
    assert_eq!(api.with_token("nonsense").get("/api/v1/keys").await.problem(401), "not_authenticated");
    assert_eq!(api.get("/api/v1/no-such-thing").await.problem(404), "not_found");
    let wrong_method = api.send(api.request(Method::PUT, "/api/v1/keys")).await;
    assert_eq!(wrong_method.problem(405), "method_not_allowed");
    let (_, secret) = api.create_key("no manager").await;
    assert_eq!(api.with_token(&secret).get("/api/v1/keys").await.problem(403), "api_key_not_allowed");

    // A good request id is taken over, another one is replaced.
    let given = |id: &str| api.send(api.request(Method::GET, "/api/v1/me").header("x-request-id", id));
    assert_eq!(given("given-by-the-client").await.header("x-request-id"), "given-by-the-client");
    let replaced = given("two words, and more").await;
    assert!(!replaced.header("x-request-id").is_empty() && !replaced.header("x-request-id").contains(' '));
    let kind = api.anonymous().get("/api/v1/keys").await.json()["type"].as_str().unwrap().to_owned();
    let page = kind.split('#').next().unwrap();
    assert_eq!(api.get(page).await.status, 200, "the page that explains {kind}");
}

/// The explorer loads without any file from elsewhere.
async fn check_explorer(api: &Api) {
    let redirect = api.get("/docs").await;
    let page = if redirect.status == 302 { api.get(redirect.header("location")).await } else { redirect };
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"), "{page:?}");
    let mut referenced: Vec<&str> = Vec::new();
    for attribute in ["src=\"", "href=\""] {
        referenced.extend(page.text.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()));
    }
    assert!(referenced.iter().any(|file| file.ends_with(".js")), "{}", page.text);
    for file in referenced {
        assert!(!file.contains("//"), "{file} is from elsewhere");
        let path = format!("/docs/{}", file.trim_start_matches("./"));
        assert_eq!(api.get(&path).await.status, 200, "{path}");
    }
}

/// Each service's document is its part of the committed one.
async fn check_documents(api: &Api) {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi/maas.json");
    let committed = std::fs::read_to_string(committed).expect("openapi/maas.json");
    let printed = run_to_end(&ProgramSpec::new("maas").argument("openapi"), PATIENCE).await.unwrap();
    assert_eq!((printed.exit_code, printed.output == committed), (Some(0), true), "run `make generate`");
    let committed: Value = serde_json::from_str(&committed).unwrap();
    let mut paths = serde_json::Map::new();
    for service in SERVICES {
        let document = api.anonymous().get(&format!("/api/v1/openapi/{service}.json")).await.expect(200);
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{service}");
        for (name, schema) in document["components"]["schemas"].as_object().cloned().unwrap_or_default() {
            assert_eq!(committed["components"]["schemas"][&name], schema, "{service}: the schema {name}");
        }
        paths.extend(document["paths"].as_object().cloned().unwrap_or_default());
    }
    assert_eq!(committed["paths"], Value::Object(paths));
}
