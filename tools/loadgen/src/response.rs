//! Reading HTTP/1.1 responses piece by piece.

use memchr::{memchr_iter, memmem};

/// A response that cannot be followed to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) body: Body,
    pub(crate) keep_alive: bool,
}

/// How far the body goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    Length(u64),
    Chunked,
}

impl Head {
    /// The head and its length in bytes, `None` while it is not all there.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&bytes[..end]).map_err(|_| Malformed)?;
        let mut lines = text.split("\r\n");
        let status_line = lines.next().ok_or(Malformed)?;
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(Malformed)?;
        let mut head = Self { status, body: Body::Length(0), keep_alive: true };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            head.note(name, value.trim())?;
        }
        Ok(Some((head, end + 4)))
    }

    fn note(&mut self, name: &str, value: &str) -> Result<(), Malformed> {
        if name.eq_ignore_ascii_case("content-length") {
            self.body = Body::Length(value.parse().map_err(|_| Malformed)?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
            self.body = Body::Chunked;
        } else if name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close") {
            self.keep_alive = false;
        }
        Ok(())
    }
}

/// Follows a body to its end and counts what goes by.
#[derive(Debug)]
pub(crate) struct BodyReader {
    state: State,
    pub(crate) bytes: u64,
    /// Server-sent events, known by the empty line after each.
    pub(crate) frames: u64,
    after_newline: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Length(u64),
    /// The line with a chunk's size.
    ChunkSize,
    ChunkData(u64),
    /// The line end after a chunk's data.
    ChunkEnd,
    /// The empty line after the last chunk.
    LastLine,
    Done,
}

impl BodyReader {
    pub(crate) fn new(body: Body) -> Self {
        let state = match body {
            Body::Length(0) => State::Done,
            Body::Length(length) => State::Length(length),
            Body::Chunked => State::ChunkSize,
        };
        Self { state, bytes: 0, frames: 0, after_newline: false }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes what it can; answers how many bytes that were. The rest must be offered again with more behind it.
    pub(crate) fn take(&mut self, bytes: &[u8], count_frames: bool) -> Result<usize, Malformed> {
        let mut taken = 0;
        loop {
            let rest = &bytes[taken..];
            match self.state {
                State::Done => return Ok(taken),
                State::Length(left) | State::ChunkData(left) => {
                    let data = &rest[..usize::try_from(left).unwrap_or(usize::MAX).min(rest.len())];
                    if data.is_empty() {
                        return Ok(taken);
                    }
                    self.count(data, count_frames);
                    self.move_on(left - data.len() as u64);
                    taken += data.len();
                }
                State::ChunkSize | State::ChunkEnd | State::LastLine => {
                    let Some(line) = memmem::find(rest, b"\r\n") else {
                        return Ok(taken);
                    };
                    self.end_line(&rest[..line])?;
                    taken += line + 2;
                }
            }
        }
    }

    fn move_on(&mut self, left: u64) {
        self.state = match (self.state, left) {
            (State::Length(_), 0) => State::Done,
            (State::Length(_), left) => State::Length(left),
            (_, 0) => State::ChunkEnd,
            (_, left) => State::ChunkData(left),
        };
    }

    fn end_line(&mut self, line: &[u8]) -> Result<(), Malformed> {
        self.state = match self.state {
            State::ChunkSize => {
                let size = std::str::from_utf8(line).map_err(|_| Malformed)?;
                let size = size.split(';').next().unwrap_or_default().trim();
                match u64::from_str_radix(size, 16).map_err(|_| Malformed)? {
                    0 => State::LastLine,
                    size => State::ChunkData(size),
                }
            }
            State::ChunkEnd if !line.is_empty() => return Err(Malformed),
            State::ChunkEnd => State::ChunkSize,
            // A trailer field may stand before the empty line.
            State::LastLine if !line.is_empty() => State::LastLine,
            _ => State::Done,
        };
        Ok(())
    }

    fn count(&mut self, data: &[u8], count_frames: bool) {
        self.bytes += data.len() as u64;
        if !count_frames {
            return;
        }
        let mut line_start = 0;
        for newline in memchr_iter(b'\n', data) {
            let line = &data[line_start..newline];
            let empty = line.is_empty() || line == b"\r";
            // A line that began in an earlier piece is empty only if that piece ended with its newline.
            if empty && (line_start > 0 || self.after_newline) {
                self.frames += 1;
            }
            line_start = newline + 1;
        }
        self.after_newline = data.last() == Some(&b'\n');
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn heads_tell_status_and_body() {
        let bytes = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 12\r\nConnection: close\r\n\r\nrest";
        let (head, length) = Head::parse(bytes).unwrap().unwrap();
        assert_eq!(head, Head { status: 429, body: Body::Length(12), keep_alive: false });
        assert_eq!(&bytes[length..], b"rest");
        assert_eq!(Head::parse(b"HTTP/1.1 200 OK\r\n"), Ok(None));
        assert_eq!(Head::parse(b"garbage\r\n\r\n"), Err(Malformed));
    }

    #[test]
    fn chunked_bodies_are_followed_however_they_are_split() {
        let coded = b"9\r\ndata: a\n\n\r\nc\r\ndata: b\n\ndat\r\n6\r\na: c\n\n\r\n0\r\n\r\nnext";
        for size in 1..coded.len() {
            let mut reader = BodyReader::new(Body::Chunked);
            let (mut pending, mut offered) = (Vec::new(), 0);
            while !reader.is_done() {
                let end = (offered + size).min(coded.len());
                pending.extend_from_slice(&coded[offered..end]);
                offered = end;
                let taken = reader.take(&pending, true).unwrap();
                pending.drain(..taken);
            }
            assert_eq!((reader.bytes, reader.frames), (27, 3), "pieces of {size}");
            assert!(b"next".starts_with(&pending[..]), "pieces of {size}");
        }
    }

    #[test]
    fn a_wrong_chunk_size_is_malformed() {
        assert_eq!(BodyReader::new(Body::Chunked).take(b"zz\r\n", false), Err(Malformed));
    }
}
