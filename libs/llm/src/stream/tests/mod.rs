//! Streams as providers document them. That no split matters is tested for all filters at once in `tests/fuzz.rs`.
#![allow(clippy::unwrap_used)]

mod messages;
mod plain;
mod responses;

use maas_types::UsageQuality;

use super::*;

/// What became of a stream.
struct Relayed {
    out: String,
    report: StreamReport,
    end: StreamEnd,
}

fn filter(api: Api) -> Box<dyn StreamFilter> {
    let mut settings = FilterSettings::new("mine".to_owned(), false, "req_1".to_owned());
    settings.rename_id = Some(Box::new(|id| format!("ours_{id}")));
    stream_filter(api, settings)
}

/// The stream as one chunk, to its end.
fn relayed(api: Api, stream: &str) -> Relayed {
    let mut filter = filter(api);
    let mut out = Vec::new();
    filter.push(Bytes::copy_from_slice(stream.as_bytes()), &mut out).unwrap();
    let end = filter.end(&mut out);
    Relayed { out: String::from_utf8(out.concat()).unwrap(), report: filter.report().clone(), end }
}

/// What the client still gets when the stream fails after these bytes.
fn failed_after(api: Api, stream: &str) -> String {
    let mut filter = filter(api);
    filter.push(Bytes::copy_from_slice(stream.as_bytes()), &mut Vec::new()).unwrap();
    let mut out = Vec::new();
    filter.fail(ApiErrorCode::UpstreamTimeout, Some("too \"slow\""), &mut out);
    filter.fail(ApiErrorCode::UpstreamTimeout, None, &mut out);
    String::from_utf8(out.concat()).unwrap()
}

#[test]
fn a_stream_that_needs_no_change_leaves_as_one_slice() {
    for (api, stream) in [(Api::Messages, messages::STREAM), (Api::Plain, plain::TRANSCRIPT)] {
        let chunk = Bytes::from_static(stream.as_bytes());
        let mut out = Vec::new();
        filter(api).push(chunk.clone(), &mut out).unwrap();
        assert_eq!((out.len(), out[0].as_ptr(), out[0].len()), (1, chunk.as_ptr(), chunk.len()), "{api:?}");
    }
}

#[test]
fn frames_are_put_in_order_for_strict_clients() {
    let stream = "\u{feff}: note\r\n\r\nid: 7\r\nevent: x\r\nretry: 1\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\nevent: alone\n\ndata:\n\n";
    for api in [Api::Messages, Api::Responses, Api::Plain] {
        assert_eq!(relayed(api, stream).out, "event: x\ndata: {\"a\": 1}\n\n", "{api:?}");
    }
}

#[test]
fn what_is_no_object_is_a_fault_after_which_only_the_error_goes_out() {
    for api in [Api::Messages, Api::Responses, Api::Plain] {
        for bad in ["data: oops\n\n", "data: [1]\n\n", "event: y\ndata: {\"a\":}\n\n"] {
            let (mut filter, mut out) = (filter(api), Vec::new());
            let stream = format!("data: {{\"a\":1}}\n\n{bad}data: {{\"b\":1}}\n\n");
            let pushed = filter.push(Bytes::from(stream), &mut out);
            assert_eq!((pushed, filter.ended()), (Err(StreamFault::MalformedData), Some(StreamEnd::Cut)));
            filter.push(Bytes::from_static(b"data: {}\n\n"), &mut out).unwrap();
            assert_eq!((filter.end(&mut out), out.concat()), (StreamEnd::Cut, b"data: {\"a\":1}\n\n".to_vec()));
            filter.fail(ApiErrorCode::UpstreamError, None, &mut out);
            assert!(out.len() == 2 && filter.ended() == Some(StreamEnd::UpstreamError), "{api:?}");
        }
    }
}

#[test]
fn events_with_images_may_be_large_and_others_may_not() {
    let large = format!("data: {{\"x\":\"{}\"}}\n\n", "A".repeat(2 << 20));
    let pushed = |api| filter(api).push(Bytes::from(large.clone()), &mut Vec::new());
    assert_eq!((pushed(Api::Plain), pushed(Api::Responses)), (Ok(()), Ok(())));
    for api in [Api::Chat, Api::Messages] {
        assert!(matches!(pushed(api), Err(StreamFault::FrameTooLarge(_))), "{api:?}");
    }
}
