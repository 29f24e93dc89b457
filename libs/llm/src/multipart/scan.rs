//! The state machine over the bytes of an upload.

use std::ops::Range;

use memchr::memmem::{Finder, find};

use super::{
    MAX_PART_HEADERS, MultipartError,
    field::{Field, NOT_A_NAME, is_model, is_true},
    headers::{PartHeaders, boundary},
};

/// The value of the `model` part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadModel {
    pub name: String,
    /// Where the value stands in the body. What takes its place must have no line ends.
    pub range: Range<usize>,
}

/// Scans an upload that is pushed in pieces, of any size.
///
/// Memory is bounded by the largest piece and [`MAX_PART_HEADERS`]; every byte is looked at a bounded number of times.
/// After an error nothing that was pushed with it may reach a server.
#[derive(Debug)]
pub struct MultipartScan {
    boundary: String,
    /// Two dashes and the boundary.
    delimiter: Finder<'static>,
    /// The end of what was pushed, as far as it is not decided.
    buffer: Vec<u8>,
    /// Where the buffer begins in the body.
    base: usize,
    /// The first byte in the body that is not decided.
    at: usize,
    /// Up to here the body was searched for what comes next.
    searched: usize,
    state: State,
    model: Option<UploadModel>,
    stream: bool,
    response_format: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Opening,
    /// Behind a boundary, where its line must end.
    Delimiter,
    Headers,
    Content(Field),
    Closed,
}

/// Whether a step came further or needs more bytes.
type Advanced = bool;

impl MultipartScan {
    /// A scan for the body of a request with this `Content-Type`.
    pub fn new(content_type: &str) -> Result<Self, MultipartError> {
        let boundary = boundary(content_type)?;
        Ok(Self {
            delimiter: Finder::new(format!("--{boundary}").as_bytes()).into_owned(),
            boundary,
            buffer: Vec::new(),
            base: 0,
            at: 0,
            searched: 0,
            state: State::Opening,
            model: None,
            stream: false,
            response_format: None,
        })
    }

    /// The `Content-Type` that says no more than what was understood.
    pub fn content_type(&self) -> String {
        format!("multipart/form-data; boundary=\"{}\"", self.boundary)
    }

    /// Takes in the next piece of the body.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), MultipartError> {
        self.buffer.extend_from_slice(piece);
        while self.step()? {}
        self.buffer.drain(..self.at - self.base);
        self.base = self.at;
        Ok(())
    }

    /// The body has ended: it must have its last boundary and a model.
    pub fn finish(&self) -> Result<(), MultipartError> {
        match (self.state, &self.model) {
            (State::Closed, Some(_)) => Ok(()),
            (State::Closed, None) => Err(MultipartError::MissingModel),
            _ => Err(MultipartError::Incomplete),
        }
    }

    /// The model, once its part is complete.
    pub const fn model(&self) -> Option<&UploadModel> {
        self.model.as_ref()
    }

    /// Whether a part seen so far asks for a stream.
    pub const fn stream(&self) -> bool {
        self.stream
    }

    /// The format of the answer, if a part seen so far names one.
    pub fn response_format(&self) -> Option<&str> {
        self.response_format.as_deref()
    }

    fn step(&mut self) -> Result<Advanced, MultipartError> {
        match self.state {
            State::Opening => self.opening(),
            State::Delimiter => self.delimiter_line(),
            State::Headers => self.headers(),
            State::Content(field) => self.content(field),
            State::Closed => self.closed(),
        }
    }

    /// The bytes that are not decided.
    fn rest(&self) -> &[u8] {
        self.from(self.at)
    }

    fn from(&self, position: usize) -> &[u8] {
        self.buffer.get(position - self.base..).unwrap_or_default()
    }

    fn go_on(&mut self, position: usize, state: State) -> Advanced {
        (self.at, self.searched, self.state) = (position, position, state);
        true
    }

    /// Empty lines may come first; nothing else.
    fn opening(&mut self) -> Result<Advanced, MultipartError> {
        let (rest, needle) = (self.rest(), self.delimiter.needle());
        if rest.starts_with(b"\r\n") {
            return Ok(self.go_on(self.at + 2, State::Opening));
        }
        let length = needle.len();
        if rest.starts_with(needle) {
            return Ok(self.go_on(self.at + length, State::Delimiter));
        }
        let may_come = needle.starts_with(rest) || rest == b"\r";
        if may_come { Ok(false) } else { Err(MultipartError::NoOpening) }
    }

    fn delimiter_line(&mut self) -> Result<Advanced, MultipartError> {
        let next = match self.rest() {
            [] | [b'-'] | [b'\r'] => return Ok(false),
            [b'-', b'-', ..] => (self.at + 2, State::Closed),
            [b'\r', b'\n', ..] => (self.at + 2, State::Headers),
            [b' ' | b'\t', ..] => (self.at + 1, State::Delimiter),
            _ => return Err(MultipartError::BadDelimiter { offset: self.at }),
        };
        Ok(self.go_on(next.0, next.1))
    }

    fn headers(&mut self) -> Result<Advanced, MultipartError> {
        const END: &[u8] = b"\r\n\r\n";
        let too_long = MultipartError::HeadersTooLong { offset: self.at, limit: MAX_PART_HEADERS };
        let Some(found) = find(self.from(self.searched), END) else {
            let known = self.base + self.buffer.len();
            self.searched = self.searched.max(known.saturating_sub(END.len() - 1));
            // The end may have begun in the last bytes.
            let most = MAX_PART_HEADERS + END.len() - 1;
            return if known - self.at > most { Err(too_long) } else { Ok(false) };
        };
        let end = self.searched + found;
        if end - self.at > MAX_PART_HEADERS {
            return Err(too_long);
        }
        let block = self.rest().get(..end - self.at).unwrap_or_default();
        let field = self.field(block)?;
        Ok(self.go_on(end + END.len(), State::Content(field)))
    }

    fn field(&self, block: &[u8]) -> Result<Field, MultipartError> {
        let part = PartHeaders::parse(block).map_err(|what| MultipartError::BadHeaders { offset: self.at, what })?;
        match Field::of(&part)? {
            Field::Model if self.model.is_some() => Err(MultipartError::DuplicateModel),
            field => Ok(field),
        }
    }

    /// `at` is where the content begins as long as it is kept, and the last bytes before the search otherwise.
    fn content(&mut self, field: Field) -> Result<Advanced, MultipartError> {
        let known = self.base + self.buffer.len();
        let Some(found) = self.delimiter.find(self.from(self.searched)) else {
            // A boundary may have begun in the last bytes, and two bytes before it decide about it.
            self.searched = self.searched.max(known.saturating_sub(self.delimiter.needle().len() - 1));
            return self.keep(field);
        };
        let delimiter = self.searched + found;
        let before = self.rest().get(..delimiter - self.at).unwrap_or_default();
        if let Some(value) = before.strip_suffix(b"\r\n") {
            if field != Field::Other {
                let value = value.to_vec();
                self.take(field, value)?;
            }
            return Ok(self.go_on(delimiter + self.delimiter.needle().len(), State::Delimiter));
        }
        // Other line ends would be a boundary for some servers; the beginning of the content is one too.
        if before.is_empty() || before.ends_with(b"\n") || before.ends_with(b"\r") {
            return Err(MultipartError::BadDelimiter { offset: delimiter });
        }
        self.searched = delimiter + 1;
        Ok(true)
    }

    /// Drops what can no longer matter of a content whose end is not known.
    fn keep(&mut self, field: Field) -> Result<Advanced, MultipartError> {
        let length = self.searched - self.at;
        if length <= field.kept() + 2 {
            return Ok(false);
        }
        if field == Field::Model {
            return Err(NOT_A_NAME);
        }
        // The two bytes before a boundary decide about it.
        self.at = self.at.max(self.searched.saturating_sub(2));
        self.state = State::Content(Field::Other);
        Ok(false)
    }

    fn take(&mut self, field: Field, value: Vec<u8>) -> Result<(), MultipartError> {
        let range = self.at..self.at + value.len();
        let text = String::from_utf8(value).ok().filter(|text| text.len() <= field.kept());
        match field {
            Field::Model => {
                self.model = Some(UploadModel { name: text.filter(|name| is_model(name)).ok_or(NOT_A_NAME)?, range })
            }
            Field::Stream => self.stream = text.is_some_and(|text| is_true(&text)),
            Field::ResponseFormat => self.response_format = text,
            Field::Other => {}
        }
        Ok(())
    }

    /// Only white space may follow the last boundary.
    fn closed(&mut self) -> Result<Advanced, MultipartError> {
        if !self.rest().iter().all(u8::is_ascii_whitespace) {
            return Err(MultipartError::TrailingData);
        }
        self.at = self.base + self.buffer.len();
        Ok(false)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_not_kept() {
        let mut scan = MultipartScan::new("multipart/form-data; boundary=b").unwrap();
        scan.push(b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n").unwrap();
        for _ in 0..64 {
            scan.push(&[b'-'; 16 * 1024]).unwrap();
            assert!(scan.buffer.len() < 64, "{} bytes are kept", scan.buffer.len());
        }
    }
}
