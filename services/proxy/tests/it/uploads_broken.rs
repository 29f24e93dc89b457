//! Uploads that do not arrive: refused before anybody is called, or broken off on the way, and then the upstream's request
//! is broken off as well. Each that was admitted is one event.

use maas_events::{state::UpstreamState, usage::UsageEvent};

use crate::{
    fixtures,
    forms::{Form, TRANSCRIPTIONS, sound},
    http::{Connection, Request},
    stand_ins::StandIn,
    world::{SHORTLY, World},
};

/// Longer than all that is sent of it: the rest never comes.
const DECLARED: usize = 10_000_000;

/// The request with the first part of a body of [`DECLARED`] bytes.
async fn begin(world: &World, id: &str, form: Form) -> Connection {
    let length = DECLARED.to_string();
    let request = world.upload(TRANSCRIPTIONS, &form.open()).id(id).header("content-length", &length);
    request.open().await
}

fn upload(model: &str) -> Form {
    Form::default().field("model", model).file("file", &sound(1_000))
}

/// A world whose model `away` is served by the stand-in.
async fn world_with(stand_in: &StandIn, change: impl FnOnce(&mut UpstreamState)) -> World {
    let world = World::with_settings(|settings| settings.max_body_bytes = 16 * 1024 * 1024).await;
    let mut upstream = fixtures::upstream(&stand_in.base_url, "their-name");
    change(&mut upstream);
    world.add_model(&fixtures::model("away", vec![upstream])).await;
    world
}

fn told(event: &UsageEvent) -> (&str, u32, &str) {
    (event.outcome.as_str(), event.status, event.error_code.as_str())
}

#[tokio::test]
async fn a_form_that_cannot_be_right_calls_nobody() {
    let world = World::start().await;
    let file = || Form::default().file("file", &sound(1_000));
    let cases = [
        ("no model", file().end(), "model"),
        ("two models", file().field("model", "chat").field("model", "chat").end(), "model"),
        ("a model as a file", file().file("model", b"chat").end(), "model"),
        ("no end", file().open(), ""),
        ("no form", b"{}".to_vec(), ""),
    ];
    for (what, body, param) in cases {
        let answer = world.upload(TRANSCRIPTIONS, &body).send().await;
        assert_eq!(answer.error(), (400, "invalid_request".to_owned()), "{what}");
        assert_eq!(answer.json()["error"]["param"].as_str().unwrap_or_default(), param, "{what}");
    }
    let unknown = world.upload(TRANSCRIPTIONS, &upload("unheard-of").end()).send().await;
    assert_eq!(unknown.error(), (404, "model_not_found".to_owned()));
    let json = world.request("POST", TRANSCRIPTIONS).key(world.key.expose()).body("{}").send().await;
    assert_eq!(json.error(), (415, "unsupported_media_type".to_owned()));
    assert!(world.upstream.last_requests().is_empty());
    assert!(world.finish().await.is_empty());
}

#[tokio::test]
async fn a_second_model_later_in_the_body_never_reaches_the_upstream() {
    let upstream = StandIn::that_takes_all().await;
    let world = world_with(&upstream, |_| {}).await;
    let mut connection = begin(&world, "smuggled", upload("away")).await;
    upstream.until_taken("their-name").await;
    connection.write(&Form::default().field("model", "somebody-elses").open()).await;
    let answer = connection.rest().await;
    assert_eq!(answer.error(), (400, "invalid_request".to_owned()));
    assert_eq!(answer.json()["error"]["param"], "model");
    upstream.until(|seen| seen.closed == 1).await;
    assert!(!upstream.has_taken("somebody-elses"));
    assert_eq!(told(&world.event("smuggled").await), ("client_error", 400, "invalid_request"));
}

#[tokio::test]
async fn a_body_that_stands_still_is_given_up() {
    let upstream = StandIn::that_takes_all().await;
    let world = World::with_settings(|settings| settings.body_gap = SHORTLY).await;
    world.add_model(&fixtures::model("away", vec![fixtures::upstream(&upstream.base_url, "their-name")])).await;
    let before = begin(&world, "before", Form::default().file("file", &sound(100))).await;
    assert_eq!(before.rest().await.error(), (408, "invalid_request".to_owned()));
    let after = begin(&world, "after", upload("away")).await;
    assert_eq!(after.rest().await.error(), (408, "invalid_request".to_owned()));
    upstream.until(|seen| seen.closed == 1).await;
    let events = world.finish().await;
    assert_eq!(events.len(), 1, "nothing is booked before the model is known");
    assert_eq!(told(&events[0]), ("client_error", 408, "invalid_request"));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_wherever_it_shows() {
    let upstream = StandIn::that_takes_all().await;
    let world = World::with_settings(|settings| settings.max_body_bytes = 100_000).await;
    world.add_model(&fixtures::model("away", vec![fixtures::upstream(&upstream.base_url, "their-name")])).await;
    let declared = begin(&world, "declared", upload("away")).await;
    assert_eq!(declared.rest().await.error(), (413, "request_too_large".to_owned()));
    // In chunks nobody knows before.
    let chunked = |form: Form| {
        let body = form.open();
        let chunk = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n"].concat();
        world.upload(TRANSCRIPTIONS, &chunk).header("transfer-encoding", "chunked").id("chunked")
    };
    let mut connection = chunked(upload("away")).open().await;
    upstream.until_taken("their-name").await;
    connection.write(&[b"186a0\r\n".as_slice(), &sound(100_000), b"\r\n"].concat()).await;
    assert_eq!(connection.one_answer().await.error(), (413, "request_too_large".to_owned()));
    upstream.until(|seen| seen.closed == 1).await;
    assert_eq!(told(&world.event("chunked").await), ("client_error", 413, "request_too_large"));
    assert_eq!(world.finish().await.len(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_in_mid_upload_breaks_the_upstreams_request_off() {
    let upstream = StandIn::that_takes_all().await;
    let world = world_with(&upstream, |_| {}).await;
    let connection = begin(&world, "gone", upload("away")).await;
    upstream.until_taken("their-name").await;
    drop(connection);
    upstream.until(|seen| seen.closed == 1).await;
    let event = world.event("gone").await;
    assert_eq!(told(&event), ("client_cancelled", 0, "client_cancelled"));
    assert_eq!(event.cost_nanos, 0);
    assert_eq!(world.finish().await.len(), 1);
}

#[tokio::test]
async fn an_upstream_that_takes_nothing_is_late() {
    let upstream = StandIn::that_takes_nothing().await;
    let world = world_with(&upstream, |upstream| upstream.gap_timeout_ms = 150).await;
    // More than all buffers on the way can hold.
    let form = Form::default().field("model", "away").file("file", &sound(12_000_000)).end();
    let answer = world.upload(TRANSCRIPTIONS, &form).id("stuck").send().await;
    assert_eq!(answer.error(), (504, "upstream_timeout".to_owned()));
    assert_eq!(told(&world.event("stuck").await), ("upstream_timeout", 504, "upstream_timeout"));
}

#[tokio::test]
async fn an_upstream_that_takes_all_and_says_nothing_is_late() {
    let upstream = StandIn::that_takes_all().await;
    let world = world_with(&upstream, |upstream| upstream.first_byte_timeout_ms = 150).await;
    let answer = world.upload(TRANSCRIPTIONS, &upload("away").end()).id("mute").send().await;
    assert_eq!(answer.error(), (504, "upstream_timeout".to_owned()));
    assert!(upstream.has_taken("--boundary-of-tests--"));
}

#[tokio::test]
async fn a_refusal_before_the_end_of_the_upload_is_told() {
    let refusal = b"HTTP/1.1 422 Unprocessable\r\ncontent-type: application/json\r\ncontent-length: 47\r\n\r\n\
        {\"error\":{\"message\":\"too long\",\"param\":\"file\"}}";
    let upstream = StandIn::that_answers(refusal).await;
    let world = world_with(&upstream, |_| {}).await;
    let answer = begin(&world, "early", upload("away")).await.rest().await;
    assert_eq!((answer.status, &answer.json()["error"]["message"]), (422, &"too long".into()));
    assert_eq!(told(&world.event("early").await), ("client_error", 422, "invalid_request"));
}

#[tokio::test]
async fn a_key_without_the_right_is_refused_before_the_file_comes() {
    let world = World::start().await;
    let narrow = world.add_key(|state| (state.all_models, state.models) = (false, vec!["embed".to_owned()])).await;
    let length = DECLARED.to_string();
    let request = Request::new(world.address, "POST", TRANSCRIPTIONS).key(narrow.expose());
    let request = request.header("content-type", crate::forms::CONTENT_TYPE).header("content-length", &length);
    let answer = request.body(upload("chat").open()).send().await;
    assert_eq!(answer.error(), (403, "model_not_allowed".to_owned()));
    assert!(world.upstream.last_requests().is_empty());
}
