//! A value as it stands in the document.

use std::ops::Range;

use super::Text;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

/// A checked value: its kind, its bytes and its place.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    kind: Kind,
    raw: &'a [u8],
    start: usize,
}

impl<'a> Value<'a> {
    pub(super) const fn new(kind: Kind, raw: &'a [u8], start: usize) -> Self {
        Self { kind, raw, start }
    }

    pub const fn kind(&self) -> Kind {
        self.kind
    }

    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Where the value stands in the bytes that the cursor was given.
    pub const fn range(&self) -> Range<usize> {
        self.start..self.start + self.raw.len()
    }

    pub fn as_bool(&self) -> Option<bool> {
        (self.kind == Kind::Bool).then(|| self.raw == b"true")
    }

    pub fn as_text(&self) -> Option<Text<'a>> {
        if self.kind != Kind::String {
            return None;
        }
        let inner = self.raw.get(1..self.raw.len() - 1)?;
        Some(Text::new(inner, memchr::memchr(b'\\', inner).is_some()))
    }

    /// A number that is whole and not negative, also when written as `12.0` or `1e3`.
    pub fn as_whole(&self) -> Option<u64> {
        /// Above this a double no longer tells neighbours apart.
        const EXACT_DOUBLES: f64 = 9_007_199_254_740_992.0;
        if let Some(number) = self.number_text().and_then(|text| text.parse().ok()) {
            return Some(number);
        }
        let number = self.as_f64()?;
        (number.fract() == 0.0 && (0.0..=EXACT_DOUBLES).contains(&number)).then_some(number as u64)
    }

    pub fn as_f64(&self) -> Option<f64> {
        self.number_text()?.parse().ok()
    }

    fn number_text(&self) -> Option<&'a str> {
        (self.kind == Kind::Number).then(|| std::str::from_utf8(self.raw).ok()).flatten()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Cursor;

    #[test]
    fn whole_numbers_are_read_in_any_spelling() {
        let whole = |json: &str| Cursor::new(json.as_bytes()).value().unwrap().as_whole();
        assert_eq!(whole("12"), Some(12));
        assert_eq!(whole("12.0"), Some(12));
        assert_eq!(whole("1.2e1"), Some(12));
        assert_eq!(whole("18446744073709551615"), Some(u64::MAX));
        for not_whole in ["-1", "1.5", "1e300", "\"12\"", "null", "99999999999999999999999"] {
            assert_eq!(whole(not_whole), None, "{not_whole}");
        }
    }
}
