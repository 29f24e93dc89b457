//! The walk itself.

use memchr::memchr2;

use super::{DEFAULT_MAX_DEPTH, Kind, ScanError, Text, Value};

/// A place in a JSON document that moves forward one value at a time.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    depth_left: usize,
}

impl<'a> Cursor<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self::with_max_depth(bytes, DEFAULT_MAX_DEPTH)
    }

    pub const fn with_max_depth(bytes: &'a [u8], max_depth: usize) -> Self {
        Self { bytes, at: 0, depth_left: max_depth }
    }

    /// The kind of the next value; does not move past it.
    pub fn peek(&mut self) -> Result<Kind, ScanError> {
        match self.peek_byte()? {
            b'{' => Ok(Kind::Object),
            b'[' => Ok(Kind::Array),
            b'"' => Ok(Kind::String),
            b't' | b'f' => Ok(Kind::Bool),
            b'n' => Ok(Kind::Null),
            b'-' | b'0'..=b'9' => Ok(Kind::Number),
            _ => Err(self.unexpected("a value")),
        }
    }

    /// Moves past the next value, checking it.
    pub fn value(&mut self) -> Result<Value<'a>, ScanError> {
        let kind = self.peek()?;
        let start = self.at;
        match kind {
            Kind::Object => self.members::<ScanError>(|_, _| Ok(())).map(drop)?,
            Kind::Array => self.elements::<ScanError>(|_| Ok(())).map(drop)?,
            Kind::String => self.string().map(drop)?,
            Kind::Number => self.number()?,
            Kind::Bool if self.bytes[start] == b't' => self.literal(b"true")?,
            Kind::Bool => self.literal(b"false")?,
            Kind::Null => self.literal(b"null")?,
        }
        Ok(Value::new(kind, &self.bytes[start..self.at], start))
    }

    /// Visits the members of the next value if it is an object; any other value is skipped. Answers with its kind.
    ///
    /// The visitor may consume the member's value from the cursor; a value it leaves alone is skipped.
    pub fn members<E: From<ScanError>>(
        &mut self,
        mut visit: impl FnMut(&mut Self, Text<'a>) -> Result<(), E>,
    ) -> Result<Kind, E> {
        if !self.enter(Kind::Object)? {
            return Ok(self.value()?.kind());
        }
        if self.peek_byte()? != b'}' {
            loop {
                if self.peek_byte()? != b'"' {
                    return Err(self.unexpected("a string as key").into());
                }
                let key = self.string()?;
                self.expect(b':', "`:`")?;
                self.skip_whitespace();
                let before = self.at;
                visit(self, key)?;
                self.skip_if_left(before)?;
                if !self.another(b'}', "`,` or `}`")? {
                    break;
                }
            }
        }
        self.leave();
        Ok(Kind::Object)
    }

    /// Visits the elements of the next value if it is an array; any other value is skipped. Answers with its kind.
    /// The visitor may consume the element, as with [`Cursor::members`].
    pub fn elements<E: From<ScanError>>(
        &mut self,
        mut visit: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<Kind, E> {
        if !self.enter(Kind::Array)? {
            return Ok(self.value()?.kind());
        }
        if self.peek_byte()? != b']' {
            loop {
                self.skip_whitespace();
                let before = self.at;
                visit(self)?;
                self.skip_if_left(before)?;
                if !self.another(b']', "`,` or `]`")? {
                    break;
                }
            }
        }
        self.leave();
        Ok(Kind::Array)
    }

    /// Moves past the next value and gives its text if it is a string.
    pub fn text(&mut self) -> Result<Option<Text<'a>>, ScanError> {
        Ok(self.value()?.as_text())
    }

    /// Only white space may follow.
    pub fn finish(&mut self) -> Result<(), ScanError> {
        self.skip_whitespace();
        if self.at < self.bytes.len() { Err(ScanError::TrailingData { offset: self.at }) } else { Ok(()) }
    }

    /// The place of the cursor in the input.
    pub const fn offset(&self) -> usize {
        self.at
    }

    fn skip_if_left(&mut self, before: usize) -> Result<(), ScanError> {
        if self.at == before { self.value().map(drop) } else { Ok(()) }
    }

    /// Steps into an object or array if the next value is one.
    fn enter(&mut self, kind: Kind) -> Result<bool, ScanError> {
        if self.peek()? != kind {
            return Ok(false);
        }
        self.depth_left = self.depth_left.checked_sub(1).ok_or(ScanError::TooDeep { offset: self.at })?;
        self.at += 1;
        Ok(true)
    }

    fn leave(&mut self) {
        self.at += 1;
        self.depth_left += 1;
    }

    /// Moves past a comma; stays before `close`.
    fn another(&mut self, close: u8, expected: &'static str) -> Result<bool, ScanError> {
        match self.peek_byte()? {
            b',' => {
                self.at += 1;
                Ok(true)
            }
            byte if byte == close => Ok(false),
            _ => Err(self.unexpected(expected)),
        }
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), ScanError> {
        if self.peek_byte()? != byte {
            return Err(self.unexpected(expected));
        }
        self.at += 1;
        Ok(())
    }

    fn literal(&mut self, word: &'static [u8]) -> Result<(), ScanError> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.unexpected("a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// The cursor stands on the opening quote.
    fn string(&mut self) -> Result<Text<'a>, ScanError> {
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            let Some(found) = memchr2(b'"', b'\\', &self.bytes[at..]) else {
                return Err(ScanError::UnexpectedEnd { offset: self.bytes.len() });
            };
            refuse_control_characters(&self.bytes[at..at + found], at)?;
            at += found;
            if self.bytes[at] == b'"' {
                break;
            }
            escaped = true;
            at += escape_length(&self.bytes[at..]).ok_or(ScanError::BadEscape { offset: at })?;
        }
        self.at = at + 1;
        Ok(Text::new(&self.bytes[start..at], escaped))
    }

    fn number(&mut self) -> Result<(), ScanError> {
        let start = self.at;
        let bad = ScanError::BadNumber { offset: start };
        self.at += usize::from(self.bytes[start] == b'-');
        let leading_zero = self.byte() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || (leading_zero && whole > 1) {
            return Err(bad);
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(bad);
            }
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return Err(bad);
            }
        }
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let count = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn peek_byte(&mut self) -> Result<u8, ScanError> {
        self.skip_whitespace();
        self.byte().ok_or(ScanError::UnexpectedEnd { offset: self.at })
    }

    fn skip_whitespace(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn unexpected(&self, expected: &'static str) -> ScanError {
        ScanError::Unexpected { expected, offset: self.at }
    }
}

/// Looks at every byte without an early way out, which the compiler turns into vector instructions; megabytes of
/// base64 pass through here.
fn refuse_control_characters(bytes: &[u8], offset: usize) -> Result<(), ScanError> {
    if !bytes.iter().fold(false, |found, byte| found | (*byte < 0x20)) {
        return Ok(());
    }
    let at = bytes.iter().position(|byte| *byte < 0x20).unwrap_or(0);
    Err(ScanError::ControlCharacter { offset: offset + at })
}

fn escape_length(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => bytes.get(2..6)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
    }
}
