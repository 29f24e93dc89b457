use super::*;

pub const TRANSCRIPT: &str = concat!(
    "data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hello \"}\n\n",
    "data: {\"type\":\"transcript.text.delta\",\"delta\":\"you\"}\n\n",
    "data: {\"type\":\"transcript.text.done\",\"text\":\"Hello you\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,\"input_token_details\":{\"text_tokens\":0,\"audio_tokens\":14},\"output_tokens\":45,\"total_tokens\":59}}\n\n",
);

#[test]
fn a_transcript_is_counted_once() {
    let Relayed { out, report, end } = relayed(Api::Plain, TRANSCRIPT);
    assert_eq!((out.as_str(), end), (TRANSCRIPT, StreamEnd::Complete));
    let counts = report.counts();
    assert_eq!((counts.input, counts.audio_input, counts.output), (14, 14, 45));
    assert_eq!((report.relayed_bytes(), report.quality()), (9, UsageQuality::Exact));
}

#[test]
fn a_text_that_comes_only_at_the_end_is_counted_there() {
    let report = relayed(Api::Plain, "data: {\"type\":\"transcript.text.done\",\"text\":\"Hello\"}\n\n").report;
    assert_eq!((report.relayed_bytes(), report.quality()), (5, UsageQuality::Estimated));
}

#[test]
fn a_typed_stream_without_its_last_event_is_a_cut() {
    let half = TRANSCRIPT.split_inclusive("\n\n").take(2).collect::<String>();
    assert_eq!(relayed(Api::Plain, &half).end, StreamEnd::Cut);
    assert_eq!(relayed(Api::Plain, &format!("{half}data: [DONE]\n\n")).end, StreamEnd::Complete);
    assert_eq!(relayed(Api::Plain, "data: {\"x\":1}\n\n").end, StreamEnd::Complete);
    assert_eq!(relayed(Api::Plain, ": nothing\n\n").end, StreamEnd::Cut);
}

#[test]
fn images_are_counted_when_they_are_whole() {
    let stream = concat!(
        "event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"aGk=\",\"partial_image_index\":0}\n\n",
        "event: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"aGk=\",\"usage\":{\"total_tokens\":100,\"input_tokens\":50,\"output_tokens\":50,\"input_tokens_details\":{\"text_tokens\":10,\"image_tokens\":40}}}\n\n",
    );
    let Relayed { out, report, end } = relayed(Api::Plain, stream);
    assert_eq!((out.as_str(), end), (stream, StreamEnd::Complete));
    let counts = report.counts();
    assert_eq!((counts.images, counts.input, counts.output, report.content_seen()), (1, 50, 50, true));
}

#[test]
fn transcripts_in_chat_chunks_are_understood() {
    let chunk = "data: {\"id\":\"trsc-1\",\"object\":\"transcription.chunk\",\"model\":\"up\",\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
    let last = "data: {\"model\":\"up\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\n\n";
    let Relayed { out, report, end } = relayed(Api::Plain, &[chunk, last, "data: [DONE]\n\n"].concat());
    assert!(
        out.contains("\"model\":\"mine\"") && out.ends_with("data: [DONE]\n\n") && end == StreamEnd::Complete,
        "{out}"
    );
    assert_eq!((report.counts().input, report.counts().output, report.relayed_bytes()), (3, 1, 2));
    assert_eq!(relayed(Api::Plain, chunk).end, StreamEnd::Cut);
}

#[test]
fn errors_come_in_the_shape_of_openai() {
    let expected = "data: {\"error\":{\"message\":\"no\",\"type\":\"server_error\",\"param\":null,\"code\":\"upstream_error\",\"request_id\":\"req_1\",\"doc_url\":\"/docs/errors#upstream_error\"}}\n\ndata: [DONE]\n\n";
    for error in [
        "data: {\"error\":{\"message\":\"no\"}}\n\n",
        "data: {\"type\":\"error\",\"message\":\"no\"}\n\n",
        "event: error\ndata: no\n\n",
    ] {
        let Relayed { out, end, .. } = relayed(Api::Plain, error);
        assert_eq!((out.as_str(), end), (expected, StreamEnd::UpstreamError), "{error}");
    }
    assert!(failed_after(Api::Plain, "").ends_with("\n\ndata: [DONE]\n\n"));
}
