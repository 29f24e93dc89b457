//! The books: every admitted request is one row and is counted, with the tokens that the upstream reported.

use std::time::Duration;

use maas_testkit::upstream::Options;
use maas_testkit::{SimulatedUpstream, eventually};
use maas_tests::{
    Api, DataPlane, PATIENCE, Standalone, StandaloneOptions, UsageRow, chat_body, simulated, streamed,
    streamed_with_usage, summary_of, wait_for_rows,
};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Currency units per million tokens.
const INPUT_PRICE: &str = "0.5";
const OUTPUT_PRICE: &str = "1.5";
/// (5 input × 0.5 + 7 output × 1.5) / 1,000,000
const COST_OF_CHAT: &str = "0.000013000";
/// (3 input × 0.5 + 7 output × 1.5) / 1,000,000
const COST_OF_COMPLETION: &str = "0.000012000";
/// The promise is a second; the rest is for a debug build beside other tests.
const VISIBLE_WITHIN: Duration = Duration::from_secs(5);
const NOTHING: &str = "0.000000000";

#[tokio::test]
async fn each_admitted_request_is_one_row_and_is_counted_once() {
    let upstream = SimulatedUpstream::start().unwrap();
    let doomed =
        SimulatedUpstream::start_with_options(Options { models: vec!["doomed".to_owned()], ..Options::default() });
    let doomed = doomed.unwrap();
    let options = StandaloneOptions { upstreams: vec![upstream.base_url(), doomed.base_url()], ..Default::default() };
    let world = Standalone::start_with(&options).await.unwrap();
    let api = world.api();
    api.set_price("sim-chat", INPUT_PRICE, OUTPUT_PRICE).await;
    wait_for_price(&world.data_plane()).await;
    doomed.stop().await.unwrap();

    let (key_id, secret) = api.create_key("counted").await;
    let client = DataPlane::new(&world.bootstrap.url, &secret);
    measure_visibility(&api, &client).await;
    upstream.reset();
    complete_requests(&client).await;
    let rows = in_order(wait_for_rows(&api, &key_id, 6, PATIENCE).await);
    check_completed(&rows);
    // The upstream's books say the same.
    let counters = upstream.counters();
    let sum = |field: fn(&UsageRow) -> u64| rows.iter().map(field).sum::<u64>();
    assert_eq!(counters.completed, 6, "{counters:?}");
    assert_eq!(
        (sum(|row| row.input_tokens), sum(|row| row.output_tokens)),
        (counters.input_tokens, counters.output_tokens)
    );

    failing_requests(&client).await;
    let rows = in_order(wait_for_rows(&api, &key_id, 10, PATIENCE).await);
    check_failed(&rows[6..]);
    refused_requests(&client, &api).await;

    check_summary(&summary_of(&api, &key_id).await, &key_id, &rows);
    wait_for_rows(&api, &key_id, 10, PATIENCE).await;
    check_pages(&api, &key_id, &rows).await;
    check_key_itself(&client, &rows).await;
}

/// Prices reach the proxy over the bus.
async fn wait_for_price(probe: &DataPlane) {
    eventually(PATIENCE, || async {
        let answer = probe.post("/v1/chat/completions", &simulated(chat_body("sim-chat"), "tokens-7")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.header("x-maas-cost").contains(COST_OF_CHAT).then_some(())
    })
    .await;
}

/// How long an answered request takes to be seen in the books.
async fn measure_visibility(api: &Api, client: &DataPlane) {
    let (key_id, secret) = api.create_key("timed").await;
    client.with_key(&secret).chat("sim-chat").await.expect(200);
    let answered = Instant::now();
    wait_for_rows(api, &key_id, 1, VISIBLE_WITHIN).await;
    println!("visible in the request log after {:?}", answered.elapsed());
}

async fn complete_requests(client: &DataPlane) {
    let chat = || simulated(chat_body("sim-chat"), "tokens-7");
    client.post("/v1/chat/completions", &chat()).await.expect(200);

    let silent = client.stream(&streamed(chat())).await;
    assert!(silent.done && silent.usages().is_empty(), "{}", silent.body);
    assert_eq!(silent.text.split_whitespace().count(), 7);
    assert!(!silent.body.contains("\"choices\":[]"), "the extra chunk was not asked for: {}", silent.body);

    let asked = client.stream(&streamed_with_usage(chat())).await;
    assert!(asked.done, "{}", asked.body);
    let usages = asked.usages();
    assert_eq!(usages.len(), 1, "{}", asked.body);
    assert_eq!(usages[0]["choices"], json!([]));
    assert_eq!(
        (&usages[0]["usage"]["prompt_tokens"], &usages[0]["usage"]["completion_tokens"]),
        (&json!(5), &json!(7))
    );
    assert_eq!(asked.frames.last(), Some(usages[0]), "usage comes last");

    client.post("/v1/embeddings", &json!({"model": "sim-embed", "input": "one two three"})).await.expect(200);
    let completion = simulated(json!({"model": "sim-chat", "prompt": "one two three"}), "tokens-7");
    client.post("/v1/completions", &completion).await.expect(200);
    let stream = client.open_stream("/v1/completions", &streamed(completion)).await.read_to_end().await;
    assert!(stream.done && stream.text.split_whitespace().count() == 7, "{}", stream.body);
}

fn check_completed(rows: &[UsageRow]) {
    let expected = [
        ("chat", false, 5, 7, COST_OF_CHAT),
        ("chat", true, 5, 7, COST_OF_CHAT),
        ("chat", true, 5, 7, COST_OF_CHAT),
        ("embeddings", false, 3, 0, NOTHING),
        ("completion", false, 3, 7, COST_OF_COMPLETION),
        ("completion", true, 3, 7, COST_OF_COMPLETION),
    ];
    for (row, (operation, stream, input, output, cost)) in rows.iter().zip(expected) {
        assert_eq!((row.operation.as_str(), row.stream), (operation, stream), "{row:?}");
        assert_eq!((row.input_tokens, row.output_tokens), (input, output), "{row:?}");
        assert_eq!((row.outcome.as_str(), row.status, row.quality.as_str()), ("success", 200, "exact"), "{row:?}");
        assert_eq!(row.cost, json!({"amount": cost, "currency": "USD"}), "{row:?}");
        assert!(row.time_to_first_token_ms.is_some() && row.duration_ms >= row.time_to_first_token_ms, "{row:?}");
        assert!(!row.upstream.is_empty() && row.time.ends_with('Z'), "{row:?}");
    }
}

/// An upstream's error, a dead upstream, a cut in mid-stream, and a client that leaves.
async fn failing_requests(client: &DataPlane) {
    let failed = client.chat_with("sim-chat", "error-internal").await;
    assert_eq!(failed.api_error(502), "upstream_error");
    assert_eq!(client.chat("doomed").await.api_error(502), "upstream_error");

    let cut = client.stream(&streamed(simulated(chat_body("sim-chat"), "fault-cut+fault-after-3"))).await;
    assert!(cut.done, "an error frame, then the end: {}", cut.body);
    assert_eq!(cut.frames.last().unwrap()["error"]["code"], "upstream_error", "{}", cut.body);

    let endless = streamed(simulated(chat_body("sim-chat"), "tokens-2000+chunk-delay-20"));
    let mut left = client.open_stream("/v1/chat/completions", &endless).await;
    left.read_some().await;
    drop(left);
}

fn check_failed(rows: &[UsageRow]) {
    for row in &rows[..2] {
        assert_eq!(
            (row.outcome.as_str(), row.status, row.quality.as_str()),
            ("upstream_error", 502, "none"),
            "{row:?}"
        );
        assert_eq!((row.input_tokens, row.output_tokens), (0, 0), "{row:?}");
        assert_eq!(row.cost["amount"], NOTHING, "{row:?}");
    }
    // What was relayed is counted, and said to be no exact report.
    for (row, outcome) in rows[2..].iter().zip(["upstream_error", "client_cancelled"]) {
        assert_eq!((row.outcome.as_str(), row.status, row.stream), (outcome, 200, true), "{row:?}");
        assert!(["partial", "estimated"].contains(&row.quality.as_str()), "{row:?}");
        assert!((1..200).contains(&row.output_tokens) && row.input_tokens > 0, "{row:?}");
    }
}

async fn refused_requests(client: &DataPlane, api: &Api) {
    assert_eq!(client.with_key("sk-wrong").chat("sim-chat").await.api_error(401), "invalid_api_key");
    assert_eq!(client.with_key("").chat("sim-chat").await.api_error(401), "invalid_api_key");
    assert_eq!(client.chat("no/such-model").await.api_error(404), "model_not_found");
    let (revoked_id, revoked) = api.create_key("revoked").await;
    api.revoke_key(&revoked_id).await;
    eventually(PATIENCE, || async {
        let answer = client.with_key(&revoked).get("/v1/models").await;
        (answer.status == 401 && answer.api_error(401) == "revoked_api_key").then_some(())
    })
    .await;
    assert_eq!(client.with_key(&revoked).chat("sim-chat").await.api_error(401), "revoked_api_key");
    wait_for_rows(api, &revoked_id, 0, Duration::from_secs(1)).await;
}

fn check_summary(summary: &Value, key_id: &str, rows: &[UsageRow]) {
    let totals = &summary["totals"];
    let sum = |field: fn(&UsageRow) -> u64| json!(rows.iter().map(field).sum::<u64>());
    assert_eq!(totals["requests"], json!(rows.len()), "{summary}");
    assert_eq!(totals["input_tokens"], sum(|row| row.input_tokens), "{summary}");
    assert_eq!(totals["output_tokens"], sum(|row| row.output_tokens), "{summary}");
    assert_eq!((&totals["cached_input_tokens"], &totals["reasoning_tokens"]), (&json!(0), &json!(0)));
    assert_eq!(nanos(&totals["cost"]), rows.iter().map(|row| nanos(&row.cost)).sum::<i64>(), "{summary}");
    for groups in [&summary["by_model"], &summary["by_key"]] {
        let groups = groups.as_array().unwrap();
        for field in ["requests", "input_tokens", "output_tokens"] {
            let sum: u64 = groups.iter().map(|group| group[field].as_u64().unwrap()).sum();
            assert_eq!(json!(sum), totals[field], "{field}: {summary}");
        }
        assert_eq!(groups.iter().map(|group| nanos(&group["cost"])).sum::<i64>(), nanos(&totals["cost"]), "{summary}");
    }
    let keys: Vec<_> = summary["by_key"].as_array().unwrap().iter().map(|group| group["key_id"].clone()).collect();
    assert_eq!(keys, [json!(key_id)]);
    assert!(summary["complete_until"].is_string() && summary["period"]["from"].is_string(), "{summary}");
}

/// Small pages show the same rows, none twice and none left out.
async fn check_pages(api: &Api, key_id: &str, rows: &[UsageRow]) {
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("/api/v1/usage/requests?limit=3&key_id={key_id}{cursor}")).await.expect(200);
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= 3);
        seen.extend(data.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let expected: Vec<_> = rows.iter().rev().map(|row| row.id.clone()).collect();
    assert_eq!(seen, expected);
}

/// What the key learns about itself on the data plane.
async fn check_key_itself(client: &DataPlane, rows: &[UsageRow]) {
    let own = client.get("/v1/key").await.expect(200);
    assert_eq!(own["usage"]["requests"], json!(rows.len()), "{own}");
    assert!(own["prefix"].as_str().unwrap().starts_with("sk-maas-"), "{own}");
}

/// Oldest first.
fn in_order(mut rows: Vec<UsageRow>) -> Vec<UsageRow> {
    rows.reverse();
    rows
}

fn nanos(cost: &Value) -> i64 {
    let amount = cost["amount"].as_str().expect("an amount");
    amount.replace('.', "").parse().expect("nine decimal places")
}
