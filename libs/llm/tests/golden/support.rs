//! What tests with golden files share: finding the cases, comparing, and JSON that people can read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use maas_llm::{
    error::ApiErrorCode,
    stream::{StreamEnd, StreamFilter},
};

/// The folders of `golden/<group>` that hold `file`, in order.
pub fn cases_with(group: &str, file: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(group);
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|case| case.join(file).exists());
    cases.sort();
    assert!(cases.len() >= 5, "golden files are missing");
    cases
}

/// Compares with a golden file, or writes it if `MAAS_UPDATE_GOLDEN` is set.
pub fn expect(golden: &Path, actual: &str) {
    if std::env::var_os("MAAS_UPDATE_GOLDEN").is_some() {
        fs::write(golden, actual).unwrap();
    }
    let expected = fs::read_to_string(golden).unwrap_or_else(|error| panic!("{}: {error}", golden.display()));
    assert_eq!(actual, expected, "{}", golden.display());
}

/// What a client gets when the upstream's bytes come in these pieces and the caller ends a stream that was cut.
pub fn streamed<'a>(mut filter: impl StreamFilter, pieces: impl IntoIterator<Item = &'a [u8]>) -> (String, StreamEnd) {
    let mut out = Vec::new();
    for piece in pieces {
        if filter.push(Bytes::copy_from_slice(piece), &mut out).is_err() {
            break;
        }
    }
    let end = filter.end(&mut out);
    if end == StreamEnd::Cut {
        filter.fail(ApiErrorCode::UpstreamError, None, &mut out);
    }
    (String::from_utf8(out.concat()).unwrap(), end)
}

/// Cuts `bytes` at these places.
pub fn pieces<'a>(bytes: &'a [u8], cuts: &[proptest::sample::Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// Indents compact JSON and keeps the order of its members, which a tree would not.
pub fn indented(json: &[u8]) -> String {
    let (mut out, mut depth, mut in_string, mut escaped) = (String::new(), 0, false, false);
    for character in std::str::from_utf8(json).unwrap().chars() {
        if in_string {
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            out.push(character);
            continue;
        }
        match character {
            '{' | '[' => {
                depth += 1;
                out.push(character);
                out.push_str(&line(depth));
            }
            '}' | ']' => {
                depth -= 1;
                let is_empty = out.trim_end().ends_with(['{', '[']);
                out.truncate(out.trim_end().len());
                if !is_empty {
                    out.push_str(&line(depth));
                }
                out.push(character);
            }
            ',' => out.push_str(&format!(",{}", line(depth))),
            ':' => out.push_str(": "),
            _ if character.is_whitespace() => {}
            _ => {
                in_string = character == '"';
                out.push(character);
            }
        }
    }
    out + "\n"
}

fn line(depth: usize) -> String {
    format!("\n{}", "  ".repeat(depth))
}
