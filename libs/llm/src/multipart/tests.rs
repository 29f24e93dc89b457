//! Uploads as clients and attackers write them.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

/// What httpx sends for `client.audio.transcriptions.create`.
const UPLOAD: &str = concat!(
    "--b0undary\r\nContent-Disposition: form-data; name=\"stream\"\r\n\r\ntrue\r\n",
    "--b0undary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n",
    "RIFF\r\n--b0\r\n\r\n--b0undar\r\n x--b0undary y\r\n",
    "--b0undary\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\norg/whisper-é\r\n",
    "--b0undary\r\ncontent-disposition: form-data;name=response_format\r\n\r\nverbose_json\r\n--b0undary--\r\n",
);

fn scanned(pieces: &[&[u8]]) -> Result<MultipartScan, MultipartError> {
    let mut scan = MultipartScan::new("multipart/form-data; boundary=b0undary").unwrap();
    for piece in pieces {
        scan.push(piece)?;
    }
    scan.finish().map(|()| scan)
}

/// One part with this disposition and content, as a whole body.
fn part(disposition: &str, content: &str) -> String {
    format!("--b0undary\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
}

fn fault(body: &str) -> MultipartError {
    scanned(&[body.as_bytes()]).err().unwrap()
}

#[test]
fn the_model_is_found_behind_the_file() {
    let scan = scanned(&[UPLOAD.as_bytes()]).unwrap();
    let model = scan.model().unwrap();
    assert_eq!((model.name.as_str(), &UPLOAD[model.range.clone()]), ("org/whisper-é", "org/whisper-é"));
    assert_eq!((scan.stream(), scan.response_format()), (true, Some("verbose_json")));
}

#[test]
fn no_two_pieces_matter() {
    let whole = scanned(&[UPLOAD.as_bytes()]).unwrap();
    for cut in 0..=UPLOAD.len() {
        let (first, second) = UPLOAD.as_bytes().split_at(cut);
        assert_eq!(scanned(&[first, second]).unwrap().model(), whole.model(), "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = UPLOAD.as_bytes().chunks(1).collect();
    let by_bytes = scanned(&bytes).unwrap();
    assert_eq!((by_bytes.model(), by_bytes.stream()), (whole.model(), true));
    assert_eq!(by_bytes.response_format(), whole.response_format());
}

#[test]
fn the_model_is_known_before_what_follows_it() {
    let mut scan = MultipartScan::new("multipart/form-data; boundary=b0undary").unwrap();
    scan.push(part("name=\"model\"", "m").as_bytes()).unwrap();
    assert_eq!(scan.model(), None);
    scan.push(b"--b0undary").unwrap();
    assert_eq!(scan.model().unwrap().name, "m");
    assert_eq!(scan.finish(), Err(MultipartError::Incomplete));
}

#[test]
fn a_second_model_is_refused_as_soon_as_it_is_named() {
    let first = part("name=\"model\"", "allowed");
    for second in ["name=\"model\"", "name=model", "name=\"Model\"", "name=\" model\""] {
        assert_eq!(fault(&format!("{first}{}", part(second, "forbidden"))), MultipartError::DuplicateModel, "{second}");
    }
}

#[test]
fn the_model_must_be_plain_text() {
    let model = |content: &str| fault(&format!("{}--b0undary", part("name=\"model\"", content)));
    for content in ["", "a\nb", &"ä".repeat(257), &"x".repeat(70_000)] {
        assert!(matches!(model(content), MultipartError::BadModel { .. }), "{}", content.len());
    }
    assert_eq!(fault(&part("name=\"model\"; filename=\"m\"", "m")).param(), Some("model"));
    let encoded = part("name=\"model\"\r\nContent-Transfer-Encoding: base64", "bQ==");
    assert_eq!(fault(&encoded), MultipartError::BadModel { expected: "plain text" });
    let close = format!("{}--b0undary--", part("name=\"model\"", &"ä".repeat(256)));
    assert!(scanned(&[close.as_bytes()]).is_ok());
}

#[test]
fn what_servers_read_in_different_ways_is_refused() {
    let bad_headers = |disposition: &str| match fault(&part(disposition, "x")) {
        MultipartError::BadHeaders { what, .. } => what,
        other => panic!("{disposition} gives {other}"),
    };
    assert_eq!(bad_headers("name=\"a\"; name=\"model\""), "two names of one part");
    assert_eq!(bad_headers("name*=utf-8''model"), "an encoded name");
    assert_eq!(bad_headers("name=\"f\"; filename=\"a\\\"; name=\"model\""), "a parameter that is not name=\"value\"");
    assert_eq!(bad_headers("name=\"a\"\r\nContent-Disposition: form-data; name=\"b\""), "two content dispositions");
    assert_eq!(bad_headers("name=\"a\"\r\n x: folded"), "a folded line, or a space in a name");
    assert_eq!(bad_headers("name=\"a\"\nX: y"), "a line does not end in CR LF");
    assert_eq!(bad_headers("filename=\"x\""), "a part without a name");
    for line_end in ["\n", "\r", "x\n", "x\r"] {
        let hidden = part("name=\"a\"", &format!("x{line_end}--b0undary\r\nno"));
        assert!(matches!(fault(&hidden), MultipartError::BadDelimiter { .. }), "{line_end:?}");
    }
}

#[test]
fn every_other_fault_has_its_own_words() {
    let ok = part("name=\"model\"", "m");
    let long = part(&format!("name=\"{}\"", "x".repeat(MAX_PART_HEADERS)), "x");
    let cases = [
        (String::new(), MultipartError::Incomplete),
        ("preamble\r\n".to_owned() + &ok, MultipartError::NoOpening),
        (ok.clone(), MultipartError::Incomplete),
        (format!("{}--b0undary--", part("name=\"a\"", "x")), MultipartError::MissingModel),
        (format!("{ok}--b0undary--\r\n--b0undary"), MultipartError::TrailingData),
        (format!("{ok}--b0undaryX\r\n"), MultipartError::BadDelimiter { offset: ok.len() + 10 }),
        (
            part("name=\"a\"", "x").replace("\r\n\r\nx\r\n", "\r\n\r\n--b0undary\r\n"),
            MultipartError::BadDelimiter { offset: 56 },
        ),
        (long, MultipartError::HeadersTooLong { offset: 12, limit: MAX_PART_HEADERS }),
    ];
    for (body, expected) in cases {
        assert_eq!(fault(&body), expected, "{}", body.chars().take(200).collect::<String>());
    }
}

#[test]
fn boundaries_are_read_as_they_are_written() {
    let boundary = |content_type: &str| MultipartScan::new(content_type).map(|scan| scan.content_type());
    let said = |boundary: &str| Ok(format!("multipart/form-data; boundary=\"{boundary}\""));
    assert_eq!(boundary("multipart/form-data; boundary=----WebKit1x"), said("----WebKit1x"));
    assert_eq!(boundary("Multipart/Form-Data;charset=utf-8 ; Boundary=\"a b\""), said("a b"));
    assert_eq!(boundary("multipart/form-data; boundary=----=_Part_1"), said("----=_Part_1"));
    let long = "x".repeat(71);
    for bad in ["", "=", "=\"a", "=a; boundary=b", "=\"\"", "=a\"b", "=\"a \"", "=é", &format!("={long}")] {
        assert_eq!(boundary(&format!("multipart/form-data; boundary{bad}")), Err(MultipartError::NoBoundary), "{bad}");
    }
    assert_eq!(boundary("multipart/mixed; boundary=a"), Err(MultipartError::NoBoundary));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_split_of_anything_matters(
        pieces in prop::collection::vec(prop_oneof![
            prop::sample::select(UPLOAD.split_inclusive("\r\n").collect::<Vec<_>>()),
            prop::sample::select(vec!["--b0undary", "--", "\r", "\n", "\r\n\r\n", "model", "x", ": ", "\"", "\u{0}"]),
        ], 0..24),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let body = pieces.concat().into_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(body.len());
        let mut from = 0;
        let parts: Vec<&[u8]> = cuts.iter().map(|cut| { let part = &body[from..*cut]; from = *cut; part }).collect();
        let outcome = |pieces: &[&[u8]]| scanned(pieces).map(|scan| (scan.model().cloned(), scan.stream(), scan.response_format().map(str::to_owned)));
        prop_assert_eq!(outcome(&parts), outcome(&[&body]));
    }
}
