//! What an upstream sees of a request's headers: what the catalogue names, the credential in its dialect's form, and
//! nothing that the client has said, but two of Anthropic's to who speaks it.

use maas_events::state::{Header, UpstreamState};
use maas_testkit::upstream::RecordedRequest;
use serde_json::json;

use crate::{
    fixtures::{self, with_variable},
    forms::{Form, TRANSCRIPTIONS},
    http::Request,
    world::{Setup, World},
};

const SECRETS: [&str; 14] = [
    "x-goog-api-key",
    "cookie",
    "x-llamastack-provider-data",
    "x-forwarded-for",
    "x-forwarded-host",
    "forwarded",
    "x-real-ip",
    "via",
    "x-internal-token",
    "x-maas-user",
    "proxy-authorization",
    "openai-organization",
    "referer",
    "traceparent",
];
/// Everything that may be there, for any dialect and operation.
const KNOWN: [&str; 13] = [
    "host",
    "user-agent",
    "accept",
    "content-type",
    "content-length",
    "transfer-encoding",
    "x-request-id",
    "x-tenant",
    "authorization",
    "x-api-key",
    "api-key",
    "anthropic-version",
    "anthropic-beta",
];

/// An upstream with a credential and a header of the catalogue.
fn equipped(upstream: UpstreamState) -> UpstreamState {
    let header = Header { name: "x-tenant".to_owned(), value: "blue".to_owned() };
    UpstreamState { headers: vec![header], ..with_variable("PATH", upstream) }
}

async fn world() -> World {
    let native = |url: &str| fixtures::speaking(&["responses", "messages"], fixtures::upstream(url, "sim-chat"));
    let azure = |url: &str| UpstreamState {
        dialect: "azure_openai".to_owned(),
        ..fixtures::upstream(url.strip_suffix("/v1").unwrap(), "sim-chat")
    };
    let setup = Setup {
        settings: vec![Box::new(|settings| settings.credential_variables = vec!["PATH".to_owned()])],
        models: vec![
            Box::new(move |url: &str| fixtures::model("of-openai", vec![equipped(native(url))])),
            Box::new(|url: &str| fixtures::model("of-anthropic", vec![equipped(fixtures::anthropic(url))])),
            Box::new(move |url: &str| fixtures::model("of-azure", vec![equipped(azure(url))])),
        ],
        ..Setup::default()
    };
    World::with(setup).await
}

/// With all that a client might say and an upstream must not hear.
fn telling(request: Request) -> Request {
    let request = SECRETS.iter().fold(request, |request, name| request.header(name, "do-not-tell"));
    // Behind the real key, so that they decide nothing.
    request.header("x-api-key", "do-not-tell").header("api-key", "do-not-tell").id("told.id-1")
}

#[track_caller]
fn check(seen: &RecordedRequest, world: &World, credential: (&str, &str)) {
    let all = format!("{seen:?}");
    assert!(!all.contains("do-not-tell") && !all.contains(world.key.expose()), "{all}");
    for name in seen.header_names() {
        assert!(KNOWN.contains(&name), "{name}");
        assert_eq!(seen.header_names().filter(|other| *other == name).count(), 1, "{name}");
    }
    let credentials = ["authorization", "x-api-key", "api-key"].map(|name| (name, seen.header(name)));
    let sent: Vec<_> = credentials.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    assert_eq!(sent, [credential]);
    assert_eq!((seen.header("x-request-id"), seen.header("x-tenant")), (Some("told.id-1"), Some("blue")));
    assert!(seen.header("user-agent").unwrap().starts_with("maas/"));
}

#[tokio::test]
async fn only_our_own_headers_go_out_with_every_operation_and_dialect() {
    let world = world().await;
    let secret = std::env::var("PATH").unwrap();
    let bearer = format!("Bearer {secret}");
    let upload =
        |model: &str| world.upload(TRANSCRIPTIONS, &Form::default().field("model", model).file("file", b"x").end());
    for (model, credential) in [
        ("of-openai", ("authorization", bearer.as_str())),
        ("of-anthropic", ("x-api-key", secret.as_str())),
        ("of-azure", ("api-key", secret.as_str())),
    ] {
        let mut requests = vec![
            world.chat(model, ""),
            world.stream(model, ""),
            world.message(model, ""),
            world.response_stream(model, ""),
        ];
        if model != "of-anthropic" {
            requests.push(upload(model));
            requests.push(world.post("/v1/audio/speech", &json!({"model": model, "input": "a"})));
        }
        for request in requests {
            let answer = telling(request).header("anthropic-version", "2023-06-01").send().await;
            assert_eq!((answer.status, answer.header("x-request-id")), (200, Some("told.id-1")), "{model}: {answer:?}");
            check(&world.upstream.last_request().unwrap(), &world, credential);
        }
    }
}

#[tokio::test]
async fn a_stored_response_is_asked_for_with_the_same_few() {
    let world = world().await;
    let id = world.response("of-openai", "").send().await.json()["id"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {}", std::env::var("PATH").unwrap());
    let read = telling(world.get(&format!("/v1/responses/{id}")).key(world.key.expose())).send().await;
    assert_eq!(read.status, 200);
    check(&world.upstream.last_request().unwrap(), &world, ("authorization", &bearer));
}

#[tokio::test]
async fn anthropics_own_headers_go_on_to_who_speaks_its_language() {
    let world = World::start().await;
    for (model, version, beta) in [
        ("claude", Some("2024-01-01"), Some("tools-1")),
        ("native", Some("2024-01-01"), Some("tools-1")),
        ("chat", None, None),
    ] {
        let request = world.message(model, "").header("anthropic-version", "2024-01-01");
        assert_eq!(request.header("anthropic-beta", "tools-1").send().await.status, 200, "{model}");
        let seen = world.upstream.last_request().unwrap();
        assert_eq!((seen.header("anthropic-version"), seen.header("anthropic-beta")), (version, beta), "{model}");
        assert!(seen.header_names().filter(|name| name.starts_with("anthropic-")).count() <= 2, "{model}");
    }
    // A client of another language has nothing to say there.
    let chat = world.chat("claude", "").header("anthropic-version", "2024-01-01").header("anthropic-beta", "tools-1");
    assert_eq!(chat.send().await.status, 200);
    let seen = world.upstream.last_request().unwrap();
    assert_eq!((seen.header("anthropic-version"), seen.header("anthropic-beta")), (Some("2023-06-01"), None));
}

#[tokio::test]
async fn what_the_upstream_says_in_its_headers_stays_there() {
    let world = World::start().await;
    let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: a=b\r\nserver: inner\r\n\
        x-internal: yes\r\ncontent-length: 2\r\n\r\n{}";
    let upstream = crate::stand_ins::StandIn::that_answers(answer).await;
    world.add_model(&fixtures::model("chatty", vec![fixtures::upstream(&upstream.base_url, "x")])).await;
    let answer = world.chat("chatty", "").send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for name in ["set-cookie", "server", "x-internal"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
}
