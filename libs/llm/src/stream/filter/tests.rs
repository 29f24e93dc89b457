//! Streams as real servers send them, by hand, and the promise that no split matters.
#![allow(clippy::unwrap_used)]

use maas_types::UsageQuality;
use proptest::prelude::*;

use super::*;
use crate::stream::error_frame;

fn settings(include_usage: bool) -> FilterSettings {
    FilterSettings::new("mine".to_owned(), include_usage, "req_1".to_owned())
}

/// What the client gets, what was learnt, and how it ended.
fn run(chunks: &[&[u8]], include_usage: bool) -> (String, StreamReport, StreamEnd, Result<(), StreamFault>) {
    let mut filter = ChatStreamFilter::new(settings(include_usage));
    let mut out = Vec::new();
    let mut result = Ok(());
    for chunk in chunks {
        result = result.and(filter.push(Bytes::copy_from_slice(chunk), &mut out));
    }
    let end = filter.end(&mut out);
    (String::from_utf8(out.concat()).unwrap(), filter.report().clone(), end, result)
}

fn relayed(stream: &str, include_usage: bool) -> (String, StreamReport, StreamEnd) {
    let (out, report, end, result) = run(&[stream.as_bytes()], include_usage);
    assert_eq!(result, Ok(()));
    (out, report, end)
}

const OPENAI: &str = concat!(
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"mine\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"mine\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi \\u00e9\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"mine\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"mine\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,\"total_tokens\":13}}\n\n",
    "data: [DONE]\n\n",
);

/// Usage that grows on every chunk, no `[DONE]`, CRLF, comments.
const GEMINI: &str = concat!(
    ": hello\r\n\r\n",
    "data: {\"id\":\"g\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"gemini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1,\"total_tokens\":6}}\r\n\r\n",
    "data: {\"id\":\"g\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"gemini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":3,\"total_tokens\":8}}\r\n\r\n",
);

#[test]
fn a_stream_that_needs_no_change_leaves_as_one_slice() {
    let chunk = Bytes::from_static(OPENAI.as_bytes());
    let mut filter = ChatStreamFilter::new(settings(true));
    let mut out = Vec::new();
    filter.push(chunk.clone(), &mut out).unwrap();
    assert_eq!(out.len(), 1);
    assert_eq!((out[0].as_ptr(), out[0].len()), (chunk.as_ptr(), chunk.len()));
    assert_eq!(filter.ended(), Some(StreamEnd::Complete));
    assert_eq!(filter.end(&mut out), StreamEnd::Complete);
    assert_eq!(out.len(), 1);
}

#[test]
fn each_frame_that_arrives_alone_is_the_same_bytes() {
    let mut filter = ChatStreamFilter::new(settings(true));
    for frame in OPENAI.split_inclusive("\n\n").take(3) {
        let chunk = Bytes::from_static(frame.as_bytes());
        let mut out = Vec::new();
        filter.push(chunk.clone(), &mut out).unwrap();
        assert_eq!((out[0].as_ptr(), out[0].len()), (chunk.as_ptr(), chunk.len()));
    }
}

#[test]
fn the_report_has_what_metering_needs() {
    let (_, report, end) = relayed(OPENAI, true);
    let counts = report.counts();
    assert_eq!((counts.input, counts.output, report.quality()), (9, 4, UsageQuality::Exact));
    assert_eq!((report.relayed_bytes(), report.finish_reason()), (5, Some("stop")));
    assert_eq!((report.upstream_id.as_deref(), report.done_seen, end), (Some("c1"), true, StreamEnd::Complete));
}

#[test]
fn the_usage_chunk_goes_only_to_who_asked() {
    let (out, report, _) = relayed(OPENAI, false);
    let expected: String = OPENAI.split_inclusive("\n\n").filter(|frame| !frame.contains("prompt_tokens")).collect();
    assert_eq!(out, expected);
    assert_eq!(report.counts().output, 4);
}

#[test]
fn the_model_is_the_one_that_was_asked_for() {
    let (out, ..) = relayed(&OPENAI.replace("\"mine\"", "\"org/up\""), true);
    assert_eq!(out, OPENAI);
}

#[test]
fn growing_usage_becomes_one_usage_chunk_and_the_end_is_added() {
    let (out, report, end) = relayed(GEMINI, true);
    let expected = concat!(
        "data: {\"id\":\"g\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"mine\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n",
        "data: {\"id\":\"g\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"mine\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
        "data: {\"id\":\"g\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"mine\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":3,\"total_tokens\":8}}\n\n",
        "data: [DONE]\n\n",
    );
    assert_eq!((out.as_str(), end), (expected, StreamEnd::Complete));
    assert_eq!((report.counts().input, report.counts().output, report.quality()), (5, 3, UsageQuality::Exact));
    let (without, ..) = relayed(GEMINI, false);
    assert!(!without.contains("prompt_tokens") && without.ends_with("data: [DONE]\n\n"));
}

#[test]
fn usage_that_nobody_asked_for_goes_when_the_chunk_is_rewritten_anyway() {
    let (out, ..) = relayed(&OPENAI.replace("\"mine\"", "\"org/up\""), false);
    assert!(out.contains("\"model\":\"mine\"") && !out.contains("usage"), "{out}");
    let (out, ..) = relayed(GEMINI, false);
    assert!(!out.contains("usage") && out.contains("\"content\":\"b\""), "{out}");
}

#[test]
fn vllm_running_usage_ends_in_its_own_usage_chunk() {
    let stream = concat!(
        "data: {\"id\":\"v\",\"model\":\"mine\",\"choices\":[{\"index\":0,\"text\":\"ab\",\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":1}}\n\n",
        "data: {\"id\":\"v\",\"model\":\"mine\",\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":2,\"total_tokens\":4}}\n\n",
        "data: [DONE]\n\ndata: {\"late\":1}\n\n",
    );
    let (out, report, _) = relayed(stream, true);
    let expected = concat!(
        "data: {\"id\":\"v\",\"model\":\"mine\",\"choices\":[{\"index\":0,\"text\":\"ab\",\"finish_reason\":\"length\"}],\"usage\":null}\n\n",
        "data: {\"choices\":[],\"id\":\"v\",\"model\":\"mine\",\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":2,\"total_tokens\":4}}\n\n",
        "data: [DONE]\n\n",
    );
    assert_eq!(out, expected);
    assert_eq!((report.relayed_bytes(), report.counts().output), (2, 2));
}

#[test]
fn only_data_frames_go_out() {
    let stream = "\u{feff}: c\n\nid: 4\nevent: x\ndata: {\"choices\":[{\"index\":0,\ndata: \"finish_reason\":\"stop\"}]}\n\nevent: ping\n\ndata:\n\nretry: 5\n\ndata:[DONE]";
    let (out, ..) = relayed(stream, false);
    assert_eq!(out, "data: {\"choices\":[{\"index\":0, \"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
}

#[test]
fn errors_as_data_become_an_error_frame_and_the_end() {
    let stream = "data: {\"error\":{\"message\":\"out\\nof memory\",\"code\":500}}\n\ndata: {\"choices\":[]}\n\ndata: [DONE]\n\n";
    let (out, report, end) = relayed(stream, true);
    let expected = concat!(
        "data: {\"error\":{\"message\":\"out of memory\",\"type\":\"server_error\",\"param\":null,\"code\":\"500\",",
        "\"request_id\":\"req_1\",\"doc_url\":\"/docs/errors#upstream_error\"}}\n\ndata: [DONE]\n\n",
    );
    assert_eq!((out.as_str(), end), (expected, StreamEnd::UpstreamError));
    assert_eq!(report.upstream_error.unwrap().message, "out of memory");
    for other in [
        "data: {\"object\":\"error\",\"message\":\"flat\",\"code\":400}\n\n",
        "data: {\"error\":\"flat\"}\n\n",
        "event: error\ndata: flat\n\n",
    ] {
        let (out, _, end) = relayed(other, true);
        assert!(out.contains("\"message\":\"flat\"") && end == StreamEnd::UpstreamError, "{out}");
    }
}

#[test]
fn a_stream_without_an_end_is_cut() {
    let half = OPENAI.split_inclusive("\n\n").take(2).collect::<String>();
    let (out, report, end) = relayed(&format!("{half}data: {{\"id\":\"c1\",\"cho"), false);
    assert_eq!((out.as_str(), end), (half.as_str(), StreamEnd::Cut));
    assert_eq!((report.quality(), report.counts().output), (UsageQuality::Estimated, 2));
    let frame = error_frame(ApiErrorCode::UpstreamError, None, "req_1");
    assert!(frame.starts_with(b"data: {\"error\":{\"message\"") && frame.ends_with(b"}}\n\n"));
}

#[test]
fn half_a_number_in_a_torn_frame_does_not_count() {
    let (_, report, end) = relayed("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":12", true);
    assert_eq!((report, end), (StreamReport::default(), StreamEnd::Cut));
}

#[test]
fn one_unfinished_choice_of_two_is_a_cut() {
    let stream = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"},{\"index\":1,\"delta\":{\"content\":\"a\"}}]}\n\n";
    assert_eq!(relayed(stream, false).2, StreamEnd::Cut);
}

#[test]
fn tool_calls_pass_untouched_and_count() {
    let stream = "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"t\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n";
    let (out, report, _) = relayed(stream, false);
    assert_eq!((out.as_str(), report.relayed_bytes(), report.content_seen()), (stream, 8, true));
}

#[test]
fn no_report_means_no_usage_chunk() {
    let stream = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"abcde\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let (out, report, _) = relayed(stream, true);
    assert_eq!((out.as_str(), report.quality(), report.counts().output), (stream, UsageQuality::Estimated, 2));
}

#[test]
fn what_is_not_json_is_a_fault_and_ends_the_stream() {
    let (out, _, end, result) =
        run(&[b"data: {\"choices\":[]}\n\ndata: oops\n\ndata: [DONE]\n\n", b"data: [DONE]\n\n"], false);
    assert_eq!(
        (out.as_str(), end, result),
        ("data: {\"choices\":[]}\n\n", StreamEnd::Cut, Err(StreamFault::MalformedData))
    );
    let mut small = ChatStreamFilter::new(FilterSettings { max_frame: 8, ..settings(false) });
    assert!(matches!(
        small.push(Bytes::from_static(b"data: 1234"), &mut Vec::new()),
        Err(StreamFault::FrameTooLarge(_))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_split_matters(
        frames in prop::collection::vec(prop_oneof![
            prop::sample::select(OPENAI.split_inclusive("\n\n").collect::<Vec<_>>()),
            prop::sample::select(GEMINI.split_inclusive("\r\n\r\n").collect::<Vec<_>>()),
            prop::sample::select(vec![": c\r\r", "\n", "event: x\n\n", "data: {\"error\":\"e\"}\n\n", "data: bad\n\n", "data: {\"usage\":{\"prompt_tokens\":1}}\n\n", "data: torn"]),
        ], 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        include_usage in any::<bool>(),
    ) {
        let stream = frames.concat().into_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(stream.len());
        let mut from = 0;
        let chunks: Vec<&[u8]> = cuts.iter().map(|cut| { let chunk = &stream[from..*cut]; from = *cut; chunk }).collect();
        let whole = run(&[&stream], include_usage);
        prop_assert_eq!(&run(&chunks, include_usage), &whole);
        // Whatever came, no event is anything but data, and the end comes once.
        prop_assert!(whole.0.split_terminator("\n\n").all(|frame| frame.starts_with("data: ") && !frame.contains('\n')));
        prop_assert_eq!(whole.0.matches("[DONE]").count(), usize::from(whole.2 != StreamEnd::Cut));
    }
}
