use super::*;

const CREATED: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"created_at\":7,\"status\":\"in_progress\",\"error\":null,\"model\":\"up\",\"previous_response_id\":\"resp_0\",\"output\":[],\"usage\":null}}\n\n";
const EVENTS: &str = concat!(
    "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"sequence_number\":1,\"output_index\":0,\"item\":{\"id\":\"msg_1\",\"type\":\"message\",\"content\":[]}}\n\n",
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":2,\"item_id\":\"msg_1\",\"delta\":\"Hi you\"}\n\n",
    "event: response.output_text.done\ndata: {\"type\":\"response.output_text.done\",\"sequence_number\":3,\"item_id\":\"msg_1\",\"text\":\"Hi you\"}\n\n",
    "event: response.output_item.added\ndata: {\"item\":{\"id\":\"fc_1\",\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"\"},\"type\":\"response.output_item.added\",\"sequence_number\":4}\n\n",
    "event: response.function_call_arguments.delta\ndata: {\"delta\":\"{}\",\"type\":\"response.function_call_arguments.delta\",\"sequence_number\":5}\n\n",
    "event: response.audio.delta\ndata: {\"type\":\"response.audio.delta\",\"sequence_number\":6,\"delta\":\"UklGRg==\"}\n\n",
);
const COMPLETED: &str = "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":7,\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"completed\",\"model\":\"up\",\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"Hi you\"}]}],\"previous_response_id\":null,\"usage\":{\"input_tokens\":30,\"input_tokens_details\":{\"cached_tokens\":10},\"output_tokens\":9,\"output_tokens_details\":{\"reasoning_tokens\":4},\"total_tokens\":39}}}\n\n";

fn renamed(stream: &str) -> String {
    stream
        .replace("\"up\"", "\"mine\"")
        .replace("\"resp_1\"", "\"ours_resp_1\"")
        .replace("\"resp_0\"", "\"ours_resp_0\"")
}

#[test]
fn only_model_and_response_ids_change() {
    let stream = [CREATED, EVENTS, COMPLETED].concat();
    let Relayed { out, report, end } = relayed(Api::Responses, &format!("{stream}data: [DONE]\n\n"));
    assert_eq!((out, end), (renamed(&stream), StreamEnd::Complete));
    assert_eq!(report.upstream_id.as_deref(), Some("resp_1"));
}

#[test]
fn the_report_has_what_metering_needs() {
    let report = relayed(Api::Responses, &[CREATED, EVENTS, COMPLETED].concat()).report;
    let counts = report.counts();
    assert_eq!((counts.input, counts.cached_input, counts.output, counts.reasoning_output), (30, 10, 9, 4));
    assert_eq!((report.quality(), report.finish_reason()), (UsageQuality::Exact, Some("completed")));
    // "Hi you" once, the name of the function, its arguments.
    assert_eq!(report.relayed_bytes(), 6 + 1 + 2);
}

#[test]
fn a_stream_may_end_incomplete_or_failed_in_the_upstreams_words() {
    let last = COMPLETED.replace("completed", "incomplete");
    let incomplete = last.replace("\"usage\":", "\"incomplete_details\":{\"reason\":\"max_output_tokens\"},\"usage\":");
    let Relayed { report, end, .. } = relayed(Api::Responses, &incomplete);
    assert_eq!((report.finish_reason(), end), (Some("max_output_tokens"), StreamEnd::Complete));
    let last = COMPLETED.replace("completed", "failed");
    let failed = last.replace("\"usage\":", "\"error\":{\"code\":\"server_error\",\"message\":\"oh\"},\"usage\":");
    let Relayed { out, report, end } = relayed(Api::Responses, &failed);
    assert_eq!((out, end), (renamed(&failed), StreamEnd::UpstreamError));
    assert_eq!((report.upstream_error.unwrap().message, report.usage.counts().input), ("oh".to_owned(), 30));
}

#[test]
fn a_failure_goes_on_from_the_events_before_it() {
    let expected = "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":7,\"response\":{\"id\":\"ours_resp_1\",\"object\":\"response\",\"created_at\":7,\"status\":\"failed\",\"error\":{\"code\":\"upstream_timeout\",\"message\":\"too \\\"slow\\\"\"},\"incomplete_details\":null,\"model\":\"mine\",\"output\":[],\"usage\":null}}\n\n";
    assert_eq!(failed_after(Api::Responses, &[CREATED, EVENTS].concat()), expected);
    assert_eq!(failed_after(Api::Responses, COMPLETED), "");
}

#[test]
fn a_failure_before_the_first_event_creates_the_response_that_fails() {
    let out = failed_after(Api::Responses, "");
    let (created, failed) = out.split_once("\n\n").unwrap();
    assert!(created.starts_with("event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\","));
    assert!(failed.starts_with("event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":1,\"response\":{\"id\":\"resp_1\","));
}

#[test]
fn an_error_event_becomes_a_failed_response() {
    let error = "event: error\ndata: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"slow down\",\"param\":null,\"sequence_number\":1}\n\n";
    let Relayed { out, end, .. } = relayed(Api::Responses, &[CREATED, error, EVENTS].concat());
    assert_eq!(end, StreamEnd::UpstreamError);
    assert!(
        out.starts_with(&renamed(CREATED))
            && out.contains("\"error\":{\"code\":\"upstream_rate_limited\",\"message\":\"Every upstream"),
        "{out}"
    );
    assert_eq!(out.matches("event: ").count(), 2);
}

#[test]
fn a_stream_without_a_terminal_event_is_a_cut() {
    let Relayed { out, report, end } = relayed(Api::Responses, &[CREATED, EVENTS, "data: [DONE]\n\n"].concat());
    assert_eq!((out, end), (renamed(&[CREATED, EVENTS].concat()), StreamEnd::Cut));
    assert_eq!((report.quality(), report.counts().output), (UsageQuality::Estimated, 3));
}
