use super::*;

pub const STREAM: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"mine\",\"stop_reason\":null,\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":100,\"cache_read_input_tokens\":400,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi \\u00e9\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":1}\"}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":15}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

#[test]
fn the_report_has_what_metering_needs() {
    let Relayed { out, report, end } = relayed(Api::Messages, STREAM);
    assert_eq!((out.as_str(), end), (STREAM, StreamEnd::Complete));
    let counts = report.counts();
    assert_eq!((counts.input, counts.cached_input, counts.cache_write_input, counts.output), (525, 400, 100, 15));
    assert_eq!((report.quality(), report.finish_reason()), (UsageQuality::Exact, Some("tool_use")));
    // "Hi é", the name of the tool, its input.
    assert_eq!((report.relayed_bytes(), report.upstream_id.as_deref()), (5 + 1 + 7, Some("msg_1")));
}

#[test]
fn the_model_is_the_one_that_was_asked_for() {
    let out = relayed(Api::Messages, &STREAM.replace("\"mine\"", "\"claude-up\"")).out;
    assert_eq!(out, STREAM);
}

#[test]
fn thinking_counts_and_its_signature_does_not() {
    let stream = "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hmm\"}}\n\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"signature_delta\",\"signature\":\"EqQBCg\"}}\n\n";
    assert_eq!(relayed(Api::Messages, stream).report.relayed_bytes(), 3);
}

#[test]
fn an_error_of_the_upstream_passes_under_our_request_id() {
    let stream = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Over\\nloaded\"},\"request_id\":\"req_theirs\"}\n\n";
    let Relayed { out, report, end } = relayed(Api::Messages, &format!("{stream}{STREAM}"));
    let expected = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Over loaded\",\"code\":\"upstream_error\",\"doc_url\":\"/docs/errors#upstream_error\"},\"request_id\":\"req_1\"}\n\n";
    assert_eq!((out.as_str(), end), (expected, StreamEnd::UpstreamError));
    assert_eq!(report.upstream_error.unwrap().message, "Over loaded");
}

#[test]
fn a_stream_without_message_stop_is_a_cut() {
    let (half, _) = STREAM.split_once("event: message_delta").unwrap();
    let torn =
        format!("{half}event: message_delta\ndata: {{\"type\":\"message_delta\",\"usage\":{{\"output_tokens\":77");
    let Relayed { out, report, end } = relayed(Api::Messages, &torn);
    assert_eq!((out.as_str(), end), (half, StreamEnd::Cut));
    // Half of a number may be any number.
    assert_eq!(report.usage.counts().output, 1);
    // The report of the beginning is there, and more was relayed than it says.
    assert_eq!((report.quality(), report.counts().input, report.counts().output), (UsageQuality::Partial, 525, 4));
}

#[test]
fn a_failure_is_told_once_in_the_clients_language() {
    let expected = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"timeout_error\",\"message\":\"too \\\"slow\\\"\",\"code\":\"upstream_timeout\",\"doc_url\":\"/docs/errors#upstream_timeout\"},\"request_id\":\"req_1\"}\n\n";
    assert_eq!(failed_after(Api::Messages, ""), expected);
    assert_eq!(failed_after(Api::Messages, "event: ping\ndata: {\"type\":\"ping\"}\n\n"), expected);
    assert_eq!(failed_after(Api::Messages, STREAM), "");
    assert_eq!(filter(Api::Messages).ping(), "event: ping\ndata: {\"type\": \"ping\"}\n\n");
}
