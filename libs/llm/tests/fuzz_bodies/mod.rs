//! What must hold for any bytes at all. One function per kind of input, which panics if it does not hold: `tests/fuzz.rs`
//! calls them on stable Rust, `fuzz/` under libFuzzer.
#![allow(clippy::unwrap_used, clippy::panic)]

use bytes::Bytes;
use maas_llm::{
    answer::{Answer, AnswerSettings},
    api::Api,
    error::{ApiErrorCode, MAX_MESSAGE_CHARS, parse_upstream_error},
    multipart::MultipartScan,
    request::{RequestFields, Rewrite, rewrite_request},
    scan,
    sse::{Frame, FrameBytes, FrameSplitter},
    stream::{FilterSettings, StreamEnd, stream_filter},
};
use maas_types::Operation;

pub const APIS: [Api; 4] = [Api::Chat, Api::Messages, Api::Responses, Api::Plain];

/// A second way to cut the same bytes, derived from the first of them, so that a fuzzer can steer it.
fn pieces(data: &[u8]) -> Vec<&[u8]> {
    let seed = data.iter().take(8).fold(7_usize, |seed, byte| seed.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let (mut pieces, mut rest, mut state) = (Vec::new(), data, seed);
    while !rest.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (piece, next) = rest.split_at((1 + (state >> 33) % 24).min(rest.len()));
        pieces.push(piece);
        rest = next;
    }
    pieces
}

/// Frames do not depend on the split and hold no more than came in.
pub fn sse(data: &[u8]) {
    let frames = |chunks: &[&[u8]]| {
        let (mut splitter, mut frames) = (FrameSplitter::new(64), Vec::new());
        for chunk in chunks {
            let mut at = 0;
            loop {
                match splitter.next_frame(chunk, &mut at) {
                    Ok(Some(FrameBytes::Inside(range))) => frames.push(chunk[range].to_vec()),
                    Ok(Some(FrameBytes::Joined(bytes))) => frames.push(bytes),
                    Ok(None) => break,
                    Err(_) => return (frames, None),
                }
            }
        }
        let rest = splitter.finish();
        (frames, Some(rest))
    };
    let whole = frames(&[data]);
    assert_eq!(frames(&pieces(data)), whole);
    assert!(whole.0.iter().map(Vec::len).sum::<usize>() <= data.len());
    for frame in &whole.0 {
        let parsed = Frame::parse(frame);
        assert!(!parsed.is_plain || parsed.is_clean);
    }
}

/// What the scanner accepts serde_json accepts, and a rewritten request says what it should.
pub fn json(data: &[u8]) {
    if scan::validate(data, 64).is_ok() && std::str::from_utf8(data).is_ok_and(|text| !text.contains('\\')) {
        assert!(serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok());
    }
    let body = Bytes::copy_from_slice(data);
    for operation in Operation::ALL {
        let Ok(fields) = RequestFields::scan(&body, *operation) else { continue };
        assert!(fields.content.end <= body.len());
        let rewrite = Rewrite { model: "up\"x", force_usage: true, previous_response_id: Some("theirs") };
        let rewritten = rewrite_request(&body, &fields, &rewrite);
        let again = RequestFields::scan(&rewritten, *operation).unwrap();
        assert_eq!((again.model.as_str(), again.stream, again.output_cap), ("up\"x", fields.stream, fields.output_cap));
        let has_options = matches!(operation, Operation::Chat | Operation::Completion);
        assert_eq!(again.include_usage, fields.include_usage || (has_options && fields.stream));
        assert_eq!(again.previous_response_id.is_some(), fields.previous_response_id.is_some());
    }
}

/// An upload is understood in the same way however it was split.
pub fn multipart(data: &[u8]) {
    let scanned = |chunks: &[&[u8]]| {
        let mut scan = MultipartScan::new("multipart/form-data; boundary=b").unwrap();
        for chunk in chunks {
            scan.push(chunk)?;
        }
        scan.finish().map(|()| (scan.model().cloned(), scan.stream(), scan.response_format().map(str::to_owned)))
    };
    let whole = scanned(&[data]);
    assert_eq!(scanned(&pieces(data)), whole);
    if let Ok((Some(model), ..)) = whole {
        assert_eq!(&data[model.range], model.name.as_bytes());
    }
}

/// Relayed bytes and report do not depend on the split, nothing comes after the end, and not much more goes out than
/// came in.
pub fn stream(api: Api, data: &[u8]) {
    let run = |chunks: &[&[u8]]| {
        let mut settings =
            FilterSettings::new("mine".to_owned(), data.first().is_some_and(|byte| byte % 2 == 0), "req_1".to_owned());
        settings.rename_id = Some(Box::new(|id| format!("ours_{id}")));
        let (mut filter, mut out) = (stream_filter(api, settings), Vec::new());
        let faults: Vec<_> =
            chunks.iter().filter_map(|chunk| filter.push(Bytes::copy_from_slice(chunk), &mut out).err()).collect();
        let end = filter.end(&mut out);
        let relayed = out.concat();
        filter.push(Bytes::from_static(b"data: {}\n\ndata: [DONE]\n\n"), &mut out).unwrap();
        assert_eq!((filter.end(&mut out), filter.ended()), (end, Some(end)));
        assert_eq!(out.concat(), relayed, "something came after the end");
        filter.fail(ApiErrorCode::UpstreamError, None, &mut out);
        assert_eq!(out.concat() == relayed, end != StreamEnd::Cut, "an error goes out after a cut and only then");
        (relayed, faults, end, filter.report().clone())
    };
    let whole = run(&[data]);
    assert_eq!(run(&pieces(data)), whole, "{api:?}");
    assert!(whole.0.len() <= 8 * data.len() + 4096);
    assert!(is_clean(&whole.0), "{:?}", String::from_utf8_lossy(&whole.0));
}

/// Frames of at most one `event` and exactly one `data` line, each ended by a blank one.
fn is_clean(relayed: &[u8]) -> bool {
    let mut rest = relayed;
    while !rest.is_empty() {
        let Some(end) = rest.windows(2).position(|pair| pair == b"\n\n") else { return false };
        if !Frame::parse(&rest[..end + 2]).is_clean {
            return false;
        }
        rest = &rest[end + 2..];
    }
    true
}

/// An answer that is read once with our names in it is read again as the same.
pub fn answer(api: Api, data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    let Ok(first) = Answer::read(&body, &AnswerSettings::new(api, "mine")) else { return };
    let second = Answer::read(&first.body, &AnswerSettings::new(api, "mine")).unwrap();
    assert_eq!((second.counts(), second.quality(), &second.body), (first.counts(), first.quality(), &first.body));
}

/// An error says something, in bounded and printable text.
pub fn upstream_error(data: &[u8]) {
    let error = parse_upstream_error(data);
    assert!(!error.message.is_empty() && error.message.chars().count() <= MAX_MESSAGE_CHARS);
    let words = [Some(error.message), error.kind, error.param, error.code];
    assert!(words.iter().flatten().all(|text| !text.chars().any(char::is_control)));
}
