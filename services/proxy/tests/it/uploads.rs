//! Multipart uploads that arrive: whole, under the upstream's name of the model, in whatever pieces they come.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use maas_events::usage::Quality;
use maas_testkit::{SimulatedUpstream, upstream::Options};

use crate::{
    fixtures,
    forms::{Form, TRANSCRIPTIONS, chunked, sound},
    http::Answer,
    world::World,
};

const FILE_BYTES: usize = 5_000;

/// A form whose transcript has four words.
fn form(model: &str) -> Vec<u8> {
    Form::default().field("model", model).field("prompt", "sim:tokens-4").file("file", &sound(FILE_BYTES)).end()
}

fn text(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_model_may_stand_before_and_after_the_file() {
    let world = World::start().await;
    let after = |model: &str| Form::default().file("file", &sound(FILE_BYTES)).field("model", model).end();
    for (sent, expected) in [(form("gpt-alias"), form("sim-chat")), (after("gpt-alias"), after("sim-chat"))] {
        let answer = world.upload(TRANSCRIPTIONS, &sent).send().await;
        assert!(text(&answer).starts_with("received 5000 bytes"), "{answer:?}");
        let seen = world.upstream.last_request().unwrap();
        assert!(seen.body_is(&expected), "{}", seen.body);
        // Written anew, so that both sides read one boundary.
        assert_eq!(seen.header("content-type"), Some("multipart/form-data; boundary=\"boundary-of-tests\""));
        assert_eq!(seen.header("content-length"), Some(expected.len().to_string().as_str()));
    }
}

#[tokio::test]
async fn a_transcription_is_booked_as_counted() {
    let world = World::start().await;
    world.upload(TRANSCRIPTIONS, &form("chat")).id("tokens").send().await;
    let event = world.event("tokens").await;
    let tokens = event.tokens.unwrap();
    // One second of sound is ten tokens, and the prompt is one word.
    assert_eq!((tokens.input, tokens.audio_input, tokens.output, event.quality()), (11, 10, 4, Quality::Exact));
    assert_eq!((event.operation.as_str(), event.cost_nanos), ("transcription", 11 * 150 + 4 * 600));
    let by_time = Form::default().field("model", "chat").field("prompt", "sim:usage-duration").file("file", b"x").end();
    world.upload("/v1/audio/translations", &by_time).id("seconds").send().await;
    let event = world.event("seconds").await;
    assert_eq!((event.operation.as_str(), event.quality(), event.cost_nanos), ("translation", Quality::Exact, 0));
}

#[tokio::test]
async fn a_large_file_arrives_whole() {
    let world = World::start().await;
    let file = sound(21 * 1024 * 1024);
    let form = |model: &str| Form::default().field("model", model).file("file", &file).end();
    let answer = world.upload(TRANSCRIPTIONS, &form("gpt-alias")).send().await;
    assert!(text(&answer).starts_with(&format!("received {} bytes", file.len())));
    assert!(world.upstream.last_request().unwrap().body_is(&form("sim-chat")));
}

#[tokio::test]
async fn a_file_in_small_pieces_with_pauses_arrives_whole() {
    let world = World::start().await;
    let request = world.upload(TRANSCRIPTIONS, &form("gpt-alias")).bytes();
    let mut connection = world.connect().await;
    for piece in request.chunks(611) {
        connection.write(piece).await;
        // Time for the piece to go all the way.
        world.get("/health").send().await;
    }
    assert!(text(&connection.rest().await).starts_with("received 5000 bytes"));
    assert!(world.upstream.last_request().unwrap().body_is(&form("sim-chat")));
}

#[tokio::test]
async fn an_upload_of_unknown_length_goes_on_in_chunks() {
    let world = World::start().await;
    for size in [7, 4_000] {
        let body = chunked(&form("gpt-alias"), size);
        let answer = world.upload(TRANSCRIPTIONS, &body).header("transfer-encoding", "chunked").send().await;
        assert!(text(&answer).starts_with("received 5000 bytes"), "{size}");
        let seen = world.upstream.last_request().unwrap();
        assert!(seen.body_is(&form("sim-chat")), "{size}");
        assert_eq!(seen.header("content-length"), None);
    }
}

#[tokio::test]
async fn a_compressed_upload_is_unpacked() {
    let world = World::start().await;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&form("gpt-alias")).unwrap();
    let packed = encoder.finish().unwrap();
    let answer = world.upload(TRANSCRIPTIONS, &packed).header("content-encoding", "gzip").send().await;
    assert!(text(&answer).starts_with("received 5000 bytes"));
    let seen = world.upstream.last_request().unwrap();
    assert!(seen.body_is(&form("sim-chat")));
    assert_eq!(seen.header("content-encoding"), None);
}

#[tokio::test]
async fn images_are_edited() {
    let world = World::start().await;
    let form = Form::default().file("image[]", &sound(10)).file("image[]", &sound(20)).field("prompt", "a red fox");
    let answer = world.upload("/v1/images/edits", &form.field("model", "chat").end()).id("edit").send().await;
    assert_eq!(answer.json()["data"][0]["revised_prompt"], "received 30 bytes");
    let event = world.event("edit").await;
    let tokens = event.tokens.unwrap();
    // Three words and twice 194 for the images; 272 for the one that is made.
    assert_eq!((tokens.input, tokens.output, tokens.images), (391, 272, 1));
    assert_eq!((event.operation.as_str(), event.quality()), ("image_edit", Quality::Exact));
}

#[tokio::test]
async fn a_streamed_transcript_has_its_events_and_its_usage() {
    let world = World::start().await;
    let form = Form::default().field("model", "chat").field("stream", "true").field("prompt", "sim:tokens-5");
    let answer = world.upload(TRANSCRIPTIONS, &form.file("file", &sound(10)).end()).id("streamed").send().await;
    assert!(answer.header("content-type").unwrap().starts_with("text/event-stream"), "{answer:?}");
    assert_eq!(answer.events_named("transcript.text.delta").len(), 3);
    assert_eq!(answer.events().last().unwrap().0, "transcript.text.done");
    let event = world.event("streamed").await;
    let tokens = event.tokens.unwrap();
    assert_eq!((tokens.input, tokens.output, event.quality()), (11, 5, Quality::Exact));
}

#[tokio::test]
async fn captions_and_plain_text_pass_as_they_are() {
    let world = World::start().await;
    for (format, begin) in [("text", "received 10 bytes"), ("srt", "1\n00:00:00,000"), ("vtt", "WEBVTT")] {
        let form = Form::default().field("model", "chat").field("response_format", format).file("file", &sound(10));
        let answer = world.upload(TRANSCRIPTIONS, &form.end()).id(format).send().await;
        assert!(answer.text().starts_with(begin), "{format}: {}", answer.text());
        assert!(answer.header("content-type").unwrap().starts_with("text/plain"), "{format}");
        let event = world.event(format).await;
        assert_eq!((event.quality(), event.outcome.as_str()), (Quality::Estimated, "success"), "{format}");
        assert!(event.tokens.unwrap().output > 0, "{format}");
    }
    let form = Form::default().field("model", "chat").field("response_format", "verbose_json").file("file", b"x");
    assert_eq!(world.upload(TRANSCRIPTIONS, &form.end()).send().await.json()["task"], "transcribe");
}

#[tokio::test]
async fn the_next_upstream_gets_an_upload_that_the_first_did_not_begin_to_take() {
    let world = World::start().await;
    let answer = world.upload(TRANSCRIPTIONS, &form("failover")).id("failover").send().await;
    assert!(text(&answer).starts_with("received 5000 bytes"));
    let event = world.event("failover").await;
    let attempts: Vec<_> =
        event.attempts.iter().map(|attempt| (attempt.kind.as_str(), attempt.outcome.as_str())).collect();
    assert_eq!(attempts, [("primary", "upstream_error"), ("retry", "success")]);
    assert_eq!(event.upstream, "second");
}

#[tokio::test]
async fn an_upload_is_given_to_one_upstream_only() {
    let world = World::with_model(|url| {
        let refusing = fixtures::upstream(url, "sim-chat+error-internal");
        let second = maas_events::state::UpstreamState { priority: 1, ..fixtures::upstream(url, "sim-chat") };
        fixtures::model("two", vec![refusing, second])
    })
    .await;
    let answer = world.upload(TRANSCRIPTIONS, &form("two")).id("once").send().await;
    assert_eq!(answer.error(), (502, "upstream_error".to_owned()));
    assert_eq!(world.event("once").await.attempts.len(), 1);
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_told_to() {
    let world = World::start().await;
    let request = world.upload(TRANSCRIPTIONS, &form("chat")).header("expect", "100-continue").bytes();
    let head = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let mut connection = world.connect().await;
    connection.write(&request[..head]).await;
    connection.until("100 Continue\r\n\r\n").await;
    connection.seen.clear();
    connection.write(&request[head..]).await;
    assert!(text(&connection.rest().await).starts_with("received 5000 bytes"));
    assert_eq!(world.upstream.last_request().unwrap().header("expect"), None);
}

#[tokio::test]
async fn an_edited_image_is_streamed() {
    let world = World::start().await;
    let form = Form::default().field("model", "chat").field("stream", "true").field("partial_images", "2");
    let form = form.field("prompt", "a red fox").file("image", &sound(10)).end();
    let answer = world.upload("/v1/images/edits", &form).id("images").send().await;
    let names: Vec<String> = answer.events().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["image_edit.partial_image", "image_edit.partial_image", "image_edit.completed"]);
    let event = world.event("images").await;
    let tokens = event.tokens.unwrap();
    assert_eq!((tokens.input, tokens.output, event.quality()), (3 + 194, 272, Quality::Exact));
}

#[tokio::test]
async fn a_connection_goes_on_after_an_upload() {
    let world = World::start().await;
    let mut connection = world.connect().await;
    for _ in 0..3 {
        connection.write(&world.upload(TRANSCRIPTIONS, &form("chat")).keep_alive().bytes()).await;
        assert!(text(&connection.one_answer().await).starts_with("received 5000 bytes"));
    }
    assert_eq!(world.finish().await.len(), 3);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_costs_no_upload() {
    let own = SimulatedUpstream::start().unwrap();
    let (port, base_url) = (own.address().port(), own.base_url());
    let world =
        World::with_model(move |_| fixtures::model("restarts", vec![fixtures::upstream(&base_url, "sim-chat")])).await;
    for _ in 0..4 {
        assert_eq!(world.upload(TRANSCRIPTIONS, &form("restarts")).send().await.status, 200);
    }
    own.stop().await.unwrap();
    let _again = SimulatedUpstream::start_with_options(Options { port, ..Options::default() }).unwrap();
    for _ in 0..4 {
        assert_eq!(world.upload(TRANSCRIPTIONS, &form("restarts")).send().await.status, 200);
    }
}
