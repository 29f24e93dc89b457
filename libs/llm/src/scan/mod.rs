//! Reads JSON without building a tree.
//!
//! A [`Cursor`] walks the bytes once, checks them against RFC 8259 on the way, and hands out values as slices with their
//! place in the input, so that a caller looks at the few members it knows and can later replace exactly those bytes.
//! Strings are decoded only when asked for. UTF-8 is checked when a string is decoded, not while it is walked over.

mod cursor;
mod text;
mod value;

pub use cursor::Cursor;
pub use text::{Text, push_json_string};
pub use value::{Kind, Value};

/// How deep arrays and objects may lie in each other: more than any real request, far less than a stack.
pub const DEFAULT_MAX_DEPTH: usize = 64;

/// Why bytes are not acceptable JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    #[error("unexpected end of input at byte {offset}")]
    UnexpectedEnd { offset: usize },
    #[error("expected {expected} at byte {offset}")]
    Unexpected { expected: &'static str, offset: usize },
    #[error("nested too deep at byte {offset}")]
    TooDeep { offset: usize },
    #[error("control character inside a string at byte {offset}")]
    ControlCharacter { offset: usize },
    #[error("invalid escape sequence at byte {offset}")]
    BadEscape { offset: usize },
    #[error("invalid number at byte {offset}")]
    BadNumber { offset: usize },
    #[error("more data after the end of the value at byte {offset}")]
    TrailingData { offset: usize },
}

impl ScanError {
    /// The byte at which reading stopped.
    pub const fn offset(self) -> usize {
        match self {
            Self::UnexpectedEnd { offset }
            | Self::Unexpected { offset, .. }
            | Self::TooDeep { offset }
            | Self::ControlCharacter { offset }
            | Self::BadEscape { offset }
            | Self::BadNumber { offset }
            | Self::TrailingData { offset } => offset,
        }
    }
}

/// Checks that `bytes` are exactly one JSON value no deeper than `max_depth`, and says of which kind.
pub fn validate(bytes: &[u8], max_depth: usize) -> Result<Kind, ScanError> {
    let mut cursor = Cursor::with_max_depth(bytes, max_depth);
    let kind = cursor.value()?.kind();
    cursor.finish()?;
    Ok(kind)
}

/// Visits the top-level members of the one object that `bytes` must be, checking all of it in the same pass.
///
/// Answers with the kind of the value: anything but an object is checked and has no members. A repeated key is visited
/// as often as it stands there.
pub fn scan_object<'a, E: From<ScanError>>(
    bytes: &'a [u8],
    visit: impl FnMut(&mut Cursor<'a>, Text<'a>) -> Result<(), E>,
) -> Result<Kind, E> {
    let mut cursor = Cursor::new(bytes);
    let kind = cursor.members(visit)?;
    cursor.finish()?;
    Ok(kind)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nesting_beyond_the_limit_is_refused_with_its_place() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert_eq!(validate(deep.as_bytes(), 64), Err(ScanError::TooDeep { offset: 64 }));
        let just = format!("{}{}", "[".repeat(64), "]".repeat(64));
        assert_eq!(validate(just.as_bytes(), 64), Ok(Kind::Array));
    }

    #[test]
    fn near_misses_of_json_are_refused_with_their_place() {
        let cases: [(&[u8], ScanError); 12] = [
            (b"01", ScanError::BadNumber { offset: 0 }),
            (b"-", ScanError::BadNumber { offset: 0 }),
            (b"[1.]", ScanError::BadNumber { offset: 1 }),
            (b"1e+", ScanError::BadNumber { offset: 0 }),
            (b"1 2", ScanError::TrailingData { offset: 2 }),
            (b"[1,]", ScanError::Unexpected { expected: "a value", offset: 3 }),
            (b"nul", ScanError::Unexpected { expected: "a value", offset: 0 }),
            (br#"{"a" 1}"#, ScanError::Unexpected { expected: "`:`", offset: 5 }),
            (br#"{"a":1"#, ScanError::UnexpectedEnd { offset: 6 }),
            (b"\"a\nb\"", ScanError::ControlCharacter { offset: 2 }),
            (br#""\x""#, ScanError::BadEscape { offset: 1 }),
            (br#""\u12g4""#, ScanError::BadEscape { offset: 1 }),
        ];
        for (bytes, error) in cases {
            assert_eq!(validate(bytes, 64), Err(error), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn members_are_given_with_kind_and_place() {
        let mut seen = Vec::new();
        let body = br#" {"a" : 1, "b\u0063":"x\ny", "c":[1,{"d":null}] } "#;
        let kind = scan_object::<ScanError>(body, |cursor, key| {
            let value = cursor.value()?;
            seen.push((key.bytes().into_owned(), value.kind(), body[value.range()].to_vec()));
            Ok(())
        });
        assert_eq!(kind, Ok(Kind::Object));
        assert_eq!(seen[0], (b"a".to_vec(), Kind::Number, b"1".to_vec()));
        assert_eq!(seen[1], (b"bc".to_vec(), Kind::String, br#""x\ny""#.to_vec()));
        assert_eq!(seen[2], (b"c".to_vec(), Kind::Array, br#"[1,{"d":null}]"#.to_vec()));
    }

    #[test]
    fn what_the_visitor_leaves_alone_is_skipped() {
        let mut keys = 0;
        let walk = scan_object::<ScanError>(br#"{"a":{"x":[1,2]},"b":"c"}"#, |_, _| {
            keys += 1;
            Ok(())
        });
        assert_eq!((walk, keys), (Ok(Kind::Object), 2));
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|pairs| serde_json::Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn agrees_with_serde_json_on_valid_documents(document in json()) {
            prop_assert!(validate(&serde_json::to_vec(&document).unwrap(), 64).is_ok());
            prop_assert!(validate(&serde_json::to_vec_pretty(&document).unwrap(), 64).is_ok());
        }

        #[test]
        fn agrees_with_serde_json_on_damaged_documents(document in json(), at in any::<prop::sample::Index>(), byte in 0u8..0x7f) {
            let mut bytes = serde_json::to_vec(&document).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            // Our scanner leaves UTF-8 and lone surrogates to the decoding of a string, so compare where that is no matter.
            if std::str::from_utf8(&bytes).is_ok() && !bytes.contains(&b'\\') {
                let theirs = serde_json::from_slice::<&serde_json::value::RawValue>(&bytes).is_ok();
                prop_assert_eq!(validate(&bytes, 64).is_ok(), theirs, "{}", String::from_utf8_lossy(&bytes));
            }
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), Just(b'{'), Just(b'['), Just(b','), Just(b':'), any::<u8>()], 0..64)) {
            let _ = validate(&bytes, 8);
            let _ = scan_object::<ScanError>(&bytes, |_, key| { key.decode(); key.decoded_len(); Ok(()) });
        }
    }
}
