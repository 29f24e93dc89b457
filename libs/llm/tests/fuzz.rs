//! The bodies of the fuzz targets, on stable Rust: over the committed corpus, over shuffled pieces of it, and over bytes
//! that look like nothing. To fuzz for hours, see `fuzz/README.md`.
#![allow(clippy::unwrap_used)]

mod fuzz_bodies;

use std::{fs, path::PathBuf};

use fuzz_bodies::{APIS, answer, json, multipart, sse, stream, upstream_error};
use proptest::prelude::*;

/// The inputs that are committed for one target.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Every body, whatever the bytes were meant for.
fn everything(data: &[u8]) {
    sse(data);
    json(data);
    multipart(data);
    upstream_error(data);
    for api in APIS {
        stream(api, data);
        answer(api, data);
    }
}

#[test]
fn the_corpus_holds() {
    for target in ["json", "multipart", "sse", "streams"] {
        for input in corpus(target) {
            everything(&input);
            // Every place that it may be torn at.
            (0..input.len()).step_by(1 + input.len() / 64).for_each(|end| everything(&input[..end]));
        }
    }
}

/// Pieces of the corpus, cut behind line ends, with something else now and then.
fn shuffled(target: &'static str, others: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let lines: Vec<Vec<u8>> = corpus(target)
        .iter()
        .flat_map(|input| input.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>())
        .collect();
    let others = others.iter().map(|other| other.as_bytes().to_vec()).collect::<Vec<_>>();
    let piece = prop_oneof![6 => prop::sample::select(lines), 1 => prop::sample::select(others)];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_split_matters_to_any_filter(data in shuffled("streams", &["\n", "\r\n\r\n", "\r", "data: bad\n\n", "data: {}\n\n", "data: {\"error\":\"e\"}\n\n", ": c\n\n", "event: x\n", "id: 1\n", "data: torn"])) {
        sse(&data);
        APIS.iter().for_each(|api| stream(*api, &data));
    }

    #[test]
    fn no_split_matters_to_an_upload(data in shuffled("multipart", &["--b", "--b--", "\n", "\r", "\r\n\r\n", "--b\r\n", "\0"])) {
        multipart(&data);
    }

    #[test]
    fn one_wrong_byte_does_no_harm(target in prop::sample::select(vec!["json", "multipart", "streams"]), which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let inputs = corpus(target);
        let mut data = inputs[which.index(inputs.len())].clone();
        let at = at.index(data.len());
        data[at] = byte;
        everything(&data);
    }

    #[test]
    fn bytes_that_look_like_nothing_do_no_harm(data in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\":,\\\n\r -dta01eun".to_vec())], 0..200)) {
        everything(&data);
    }
}
