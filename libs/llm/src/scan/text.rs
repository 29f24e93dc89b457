//! JSON strings, decoded only when somebody wants to know.

use std::borrow::Cow;

use memchr::memchr;

/// A string of a JSON document: the bytes between its quotes, as they stand there.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Text<'a> {
    /// `raw` was checked by the cursor; `escaped` tells whether it has a backslash.
    pub(super) const fn new(raw: &'a [u8], escaped: bool) -> Self {
        Self { raw, escaped }
    }

    /// The decoded bytes, for comparing with known names. A string that has no decoding (half of a surrogate pair) is
    /// given raw: it equals no name that we know.
    pub fn bytes(&self) -> Cow<'a, [u8]> {
        if !self.escaped {
            return Cow::Borrowed(self.raw);
        }
        unescape(self.raw).map_or(Cow::Borrowed(self.raw), Cow::Owned)
    }

    /// The decoded string; `None` if it is not Unicode (bad UTF-8, half of a surrogate pair).
    pub fn decode(&self) -> Option<Cow<'a, str>> {
        if !self.escaped {
            return std::str::from_utf8(self.raw).ok().map(Cow::Borrowed);
        }
        String::from_utf8(unescape(self.raw)?).ok().map(Cow::Owned)
    }

    pub fn is(&self, name: &str) -> bool {
        *self.bytes() == *name.as_bytes()
    }

    /// The length in bytes after decoding, without decoding.
    pub fn decoded_len(&self) -> usize {
        if !self.escaped {
            return self.raw.len();
        }
        let (mut rest, mut length) = (self.raw, 0);
        while let Some(at) = memchr(b'\\', rest) {
            let (character, used) = unescape_one(&rest[at..]);
            length += at + character.map_or(char::REPLACEMENT_CHARACTER.len_utf8(), char::len_utf8);
            rest = rest.get(at + used..).unwrap_or_default();
        }
        length + rest.len()
    }

    pub const fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }
}

/// Appends `text` as a JSON string, with quotes.
pub fn push_json_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            control if u32::from(control) < 0x20 => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(control)).as_bytes());
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

fn unescape(raw: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let (character, used) = unescape_one(&rest[at..]);
        out.extend_from_slice(character?.encode_utf8(&mut [0; 4]).as_bytes());
        rest = rest.get(at + used..)?;
    }
    out.extend_from_slice(rest);
    Some(out)
}

/// The character that the escape at the start of `bytes` stands for, and how many bytes it takes.
fn unescape_one(bytes: &[u8]) -> (Option<char>, usize) {
    let character = match bytes.get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => return unescape_unit(bytes),
        Some(byte) => char::from(*byte),
        None => return (None, 1),
    };
    (Some(character), 2)
}

fn unescape_unit(bytes: &[u8]) -> (Option<char>, usize) {
    let Some(unit) = unit_at(bytes) else { return (None, 6) };
    if let Some(character) = char::from_u32(unit) {
        return (Some(character), 6);
    }
    let low = bytes.get(6..).and_then(unit_at).filter(|low| (0xdc00..0xe000).contains(low));
    match low {
        Some(low) if unit < 0xdc00 => (char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00)), 12),
        _ => (None, 6),
    }
}

/// The UTF-16 unit of a `\uXXXX` at the start of `bytes`.
fn unit_at(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::Cursor;
    use super::*;

    #[test]
    fn escapes_and_surrogate_pairs_are_decoded() {
        let text = Cursor::new(br#""a\u0062\n\"\ud83d\ude00\/""#).text().unwrap().unwrap();
        assert_eq!(text.decode().unwrap(), "ab\n\"😀/");
        assert_eq!(text.decoded_len(), "ab\n\"😀/".len());
        assert!(text.is("ab\n\"😀/"));
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text() {
        for raw in [&br#""\ud83d""#[..], br#""\ude00""#, br#""\ud83dx""#, br#""\ud83d\u0041""#] {
            let text = Cursor::new(raw).text().unwrap().unwrap();
            assert_eq!(text.decode(), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn written_strings_are_read_back(text in any::<String>()) {
            let mut json = Vec::new();
            push_json_string(&mut json, &text);
            prop_assert_eq!(&serde_json::from_slice::<String>(&json).unwrap(), &text);
            let read = Cursor::new(&json).text().unwrap().unwrap();
            prop_assert_eq!(read.decoded_len(), text.len());
            prop_assert_eq!(read.decode().unwrap(), text);
        }
    }
}
