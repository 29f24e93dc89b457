//! Streams: usage, faults, framing, and clients that leave.

use crate::support::{Answer, chat, chat_body, connect_and_send, counters_become};
use maas_simulated_upstream::{Behaviour, SimulatedUpstream};
use tokio::io::AsyncReadExt;

const STREAM: &str = r#","stream":true"#;
const STREAM_WITH_USAGE: &str = r#","stream":true,"stream_options":{"include_usage":true}"#;

fn short_answers() -> SimulatedUpstream {
    SimulatedUpstream::start_with(Behaviour { output_tokens: 4, ..Behaviour::default() }).unwrap()
}

fn usages(answer: &Answer) -> Vec<u64> {
    answer.chunks().iter().filter_map(|chunk| chunk["usage"]["completion_tokens"].as_u64()).collect()
}

#[tokio::test]
async fn a_stream_brings_role_content_finish_reason_and_done() {
    let upstream = short_answers();
    let answer = chat(&upstream, "sim-chat", STREAM).await;
    assert!(answer.whole && answer.head.contains("content-type: text/event-stream"));
    let chunks = answer.chunks();
    assert_eq!(chunks.len(), 6);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(chunks[5]["choices"][0]["finish_reason"], "stop");
    assert_eq!(answer.data().last(), Some(&"[DONE]"));
    let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text.split_whitespace().count(), 4);

    let counters = counters_become(&upstream, |counters| counters.open_streams == 0).await;
    assert_eq!((counters.completed, counters.cancelled, counters.output_tokens), (1, 0, 4));
}

#[tokio::test]
async fn usage_comes_as_the_mode_says() {
    let upstream = short_answers();
    let cases: [(&str, &str, &[u64]); 7] = [
        ("usage-when-asked", STREAM, &[]),
        ("usage-when-asked", STREAM_WITH_USAGE, &[4]),
        ("usage-always", STREAM, &[4]),
        ("usage-cumulative", STREAM, &[0, 1, 2, 3, 4, 4]),
        ("usage-missing", STREAM_WITH_USAGE, &[]),
        ("usage-huge", STREAM_WITH_USAGE, &[9_000_000_000_000_000_000]),
        ("usage-without-choices", STREAM_WITH_USAGE, &[4]),
    ];
    for (mode, more, expected) in cases {
        let answer = chat(&upstream, &format!("sim-chat+{mode}"), more).await;
        assert_eq!(usages(&answer), expected, "{mode}");
        let without_choices = answer.chunks().iter().filter(|chunk| chunk["choices"].is_null()).count();
        assert_eq!(without_choices, usize::from(mode == "usage-without-choices"), "{mode}");
    }
}

#[tokio::test]
async fn running_usage_can_be_asked_for() {
    let upstream = short_answers();
    let more = r#","stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}"#;
    assert_eq!(usages(&chat(&upstream, "sim-chat", more).await), [0, 1, 2, 3, 4, 4, 4]);
}

#[tokio::test]
async fn a_cut_ends_the_connection_after_the_chunks_before_it() {
    let upstream = short_answers();
    let answer = chat(&upstream, "sim-chat+fault-cut+fault-after-3", STREAM).await;
    assert!(!answer.whole);
    assert_eq!(answer.chunks().len(), 4);
    let counters = counters_become(&upstream, |counters| counters.open_streams == 0).await;
    assert_eq!((counters.broken, counters.completed, counters.output_tokens), (1, 0, 3));
}

#[tokio::test]
async fn an_error_frame_ends_the_stream_cleanly() {
    let upstream = short_answers();
    let answer = chat(&upstream, "sim-chat+fault-error-frame", STREAM).await;
    assert!(answer.whole);
    assert_eq!(answer.chunks().last().unwrap()["error"]["code"], 500);
    assert_eq!(upstream.counters().broken, 1);
}

#[tokio::test]
async fn endings_can_lack_finish_reason_and_done() {
    let upstream = short_answers();
    let no_finish_reason = chat(&upstream, "sim-chat+fault-no-finish-reason", STREAM_WITH_USAGE).await;
    assert!(no_finish_reason.whole && !no_finish_reason.body.contains(r#""stop""#));
    assert_eq!(no_finish_reason.data().len(), 5);
    let no_done = chat(&upstream, "sim-chat+fault-no-done", STREAM_WITH_USAGE).await;
    assert!(no_done.whole && !no_done.body.contains("[DONE]"));
    assert_eq!(usages(&no_done), [4]);
    let counters = counters_become(&upstream, |counters| counters.open_streams == 0).await;
    assert_eq!((counters.completed, counters.cancelled), (2, 0));
}

#[tokio::test]
async fn framing_changes_bytes_and_not_meaning() {
    let upstream = short_answers();
    let plain = chat(&upstream, "sim-chat", STREAM).await;
    for (framing, sign) in
        [("framing-crlf", "\r\n\r\n"), ("framing-comments", ": frame 2\n"), ("framing-id-lines", "id: 2\n")]
    {
        let answer = chat(&upstream, &format!("sim-chat+{framing}"), STREAM).await;
        assert!(answer.body.contains(sign) && !plain.body.contains(sign), "{framing}");
        assert_eq!(answer.data().len(), plain.data().len(), "{framing}");
    }
    let dripped = chat(&upstream, "sim-chat+drip", STREAM).await;
    assert_eq!(dripped.chunks().len(), plain.chunks().len());
    assert_eq!(upstream.counters().completed, 5);
}

#[tokio::test]
async fn completions_stream_text() {
    let upstream = short_answers();
    let body = r#"{"model":"sim-chat","prompt":"say it","stream":true}"#;
    let answer = crate::support::call(&upstream, "POST", "/v1/completions", body).await;
    assert_eq!(answer.data().len(), 6);
    assert!(answer.chunks()[0]["choices"][0]["text"].is_string());
}

#[tokio::test]
async fn a_client_that_leaves_in_mid_stream_is_noticed_and_counted() {
    let upstream = SimulatedUpstream::start().unwrap();
    let body = chat_body("sim-chat+fault-stall", STREAM);
    let mut connection = connect_and_send(&upstream, "POST", "/v1/chat/completions", &body).await;
    counters_become(&upstream, |counters| counters.open_streams == 1 && counters.output_tokens == 2).await;
    assert!(connection.read_u8().await.is_ok());
    drop(connection);

    let counters = counters_become(&upstream, |counters| counters.cancelled == 1).await;
    assert_eq!((counters.open_streams, counters.completed), (0, 0));
    assert_eq!(counters.models["sim-chat"].cancelled, 1);
    assert_eq!(counters.cancellations[0].output_tokens, 2);
    assert!(counters.cancellations[0].noticed_unix_ms > 0);
}

#[tokio::test]
async fn a_client_that_leaves_before_the_first_byte_is_noticed_and_counted() {
    let upstream = SimulatedUpstream::start().unwrap();
    let body = chat_body("sim-chat+delay-60000", "");
    let connection = connect_and_send(&upstream, "POST", "/v1/chat/completions", &body).await;
    counters_become(&upstream, |counters| counters.input_tokens == 5).await;
    drop(connection);
    let counters = counters_become(&upstream, |counters| counters.cancelled == 1).await;
    assert_eq!(counters.output_tokens, 0);
}
