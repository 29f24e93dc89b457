//! What belongs to the client stays out of the upstream's sight, and what was said stays out of our files.

use maas_testkit::SimulatedUpstream;
use maas_testkit::upstream::{Behaviour, RecordedRequest};
use maas_tests::{PATIENCE, Standalone, StandaloneOptions, chat_body, simulated, streamed, wait_for_rows};
use reqwest::Method;
use serde_json::json;

use crate::changes::files_with;

const UPSTREAM_KEY: &str = "upstream-secret-5d1c";
const PROMPT: &str = "canary-prompt-91ab";
const SECRET_HEADERS: [(&str, &str); 8] = [
    ("cookie", "maas_session=canary-cookie-1"),
    ("x-api-key", "canary-header-2"),
    ("api-key", "canary-header-3"),
    ("x-goog-api-key", "canary-header-4"),
    ("x-llamastack-provider-data", "{\"key\":\"canary-header-5\"}"),
    ("x-forwarded-for", "203.0.113.77"),
    ("forwarded", "for=203.0.113.78"),
    ("x-internal-anything", "canary-header-6"),
];

#[tokio::test]
async fn credentials_never_reach_the_upstream_and_prompts_never_reach_a_file() {
    let behaviour = Behaviour { required_api_key: Some(UPSTREAM_KEY.to_owned()), ..Behaviour::default() };
    let upstream = SimulatedUpstream::start_with(behaviour).unwrap();
    // Whatever our own crates say at the level for finding faults must be as clean.
    let level = "info,maas_proxy=debug,maas_llm=debug,maas_http=debug,maas_web=debug,maas_auth=debug,maas_bus=debug,\
                 maas_key_management=debug,maas_model_catalog=debug,maas_usage_ingest=debug,maas_journal=debug";
    let options = StandaloneOptions {
        upstreams: vec![upstream.base_url()],
        upstream_key: Some(UPSTREAM_KEY.to_owned()),
        settings: vec![("MAAS__TELEMETRY__LOG__LEVEL".to_owned(), level.to_owned())],
    };
    let mut world = Standalone::start_with(&options).await.unwrap();
    let api = world.api();
    let (key_id, secret) = api.create_key("private").await;
    let client = world.data_plane().with_key(&secret);

    let mut body = simulated(chat_body("sim-chat"), "tokens-5");
    body["messages"][0]["content"] = json!(PROMPT);
    let bodies = [
        body.clone(),
        streamed(body.clone()),
        simulated(body.clone(), "error-context-overflow"),
        simulated(body.clone(), "error-malformed-json"),
        streamed(simulated(body, "fault-error-frame")),
    ];
    let count = bodies.len();
    for (index, body) in bodies.into_iter().enumerate() {
        let mut request = client.request(Method::POST, "/v1/chat/completions").json(&body);
        for (name, value) in SECRET_HEADERS {
            request = request.header(name, value);
        }
        client.send(request.header("x-request-id", format!("given-id-{index}"))).await;
    }
    wait_for_rows(&api, &key_id, count, PATIENCE).await;

    let recorded = upstream.last_requests();
    let calls: Vec<_> = recorded.iter().filter(|request| request.method == "POST").collect();
    assert_eq!(calls.len(), count, "{recorded:#?}");
    for (index, call) in calls.into_iter().enumerate() {
        check_call(call, &secret, index);
    }

    assert_eq!(world.program.stop(PATIENCE).await.unwrap(), Some(0));
    let secret_part = secret.rsplit('_').next().expect("a key has two parts");
    let log = world.program.log();
    for canary in [PROMPT, secret_part, UPSTREAM_KEY, "canary-", world.bootstrap.admin_token.as_str()] {
        assert!(!log.contains(canary), "{canary} is in the log");
        assert_eq!(files_with(&world.data_dir(), canary), Vec::<String>::new(), "{canary}");
    }
}

fn check_call(call: &RecordedRequest, secret: &str, index: usize) {
    assert_eq!(call.header("authorization"), Some(format!("Bearer {UPSTREAM_KEY}").as_str()));
    assert_eq!(call.header("x-request-id"), Some(format!("given-id-{index}").as_str()), "{call:?}");
    for (name, value) in &call.headers {
        assert!(!value.contains(secret), "the client's key is in {name}");
        for (secret_name, secret_value) in SECRET_HEADERS {
            assert_ne!(name, secret_name);
            assert!(!value.contains(secret_value), "{secret_name} reached the upstream in {name}");
        }
    }
    assert!(call.body.contains(PROMPT), "the body is the client's");
}
