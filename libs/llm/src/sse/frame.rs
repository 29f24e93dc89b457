//! One event of a stream.

use std::borrow::Cow;

use memchr::memchr2;

/// A frame, read. Fields that clients of these endpoints do not use (`id`, `retry`) are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The value of all `data` lines, joined with LF; `None` if there is no such line.
    pub data: Option<Cow<'a, [u8]>>,
    /// The value of the last `event` line.
    pub event: Option<&'a [u8]>,
    /// The frame is one `data` line and a blank one, ended by LF: it may go out as it is.
    pub is_plain: bool,
    /// The same, or with one `event` line before: it may go out as it is where clients know named events.
    pub is_clean: bool,
}

impl<'a> Frame<'a> {
    /// Reads the bytes of one frame, with or without its final blank line.
    pub fn parse(bytes: &'a [u8]) -> Self {
        if let Some(data) = plain_data(bytes) {
            return Self { data: Some(Cow::Borrowed(data)), event: None, is_plain: true, is_clean: true };
        }
        if let Some((event, data)) = named_data(bytes) {
            return Self { data: Some(Cow::Borrowed(data)), event: Some(event), is_plain: false, is_clean: true };
        }
        let mut frame = Self { data: None, event: None, is_plain: false, is_clean: false };
        for line in Lines(bytes) {
            let (name, value) = field(line);
            match name {
                b"data" => frame.add_data(value),
                b"event" => frame.event = Some(value),
                _ => {}
            }
        }
        frame
    }

    /// Nothing but comments and fields that carry nothing.
    pub fn is_comment(&self) -> bool {
        self.data.is_none() && self.event.is_none()
    }

    fn add_data(&mut self, value: &'a [u8]) {
        match &mut self.data {
            None => self.data = Some(Cow::Borrowed(value)),
            Some(data) => {
                let data = data.to_mut();
                data.push(b'\n');
                data.extend_from_slice(value);
            }
        }
    }
}

fn plain_data(bytes: &[u8]) -> Option<&[u8]> {
    let value = bytes.strip_prefix(b"data:")?.strip_suffix(b"\n\n")?;
    memchr2(b'\n', b'\r', value).is_none().then(|| value.strip_prefix(b" ").unwrap_or(value))
}

/// Both values of a frame that is an `event` line, a `data` line and a blank one.
fn named_data(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(b"event:")?;
    let end = memchr2(b'\n', b'\r', rest)?;
    let (event, rest) = rest.split_at(end);
    let data = plain_data(rest.strip_prefix(b"\n")?)?;
    Some((event.strip_prefix(b" ").unwrap_or(event), data))
}

/// Name and value of a line; a comment has an empty name.
fn field(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = memchr::memchr(b':', line) else { return (line, b"") };
    let value = &line[colon + 1..];
    (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
}

struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    /// A CRLF gives one empty line too many, which has no field and so does no harm.
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr2(b'\n', b'\r', self.0).unwrap_or(self.0.len());
        let line = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        Some(line)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_frame_is_borrowed() {
        let frame = Frame::parse(b"data: {\"a\":1}\n\n");
        assert!(frame.is_plain && matches!(frame.data, Some(Cow::Borrowed(b"{\"a\":1}"))));
        assert!(Frame::parse(b"data:x\n\n").is_plain);
    }

    #[test]
    fn a_named_frame_is_borrowed_if_it_is_clean() {
        let frame = Frame::parse(b"event: ping\ndata: {}\n\n");
        assert_eq!((frame.event, frame.is_plain, frame.is_clean), (Some(&b"ping"[..]), false, true));
        assert!(matches!(frame.data, Some(Cow::Borrowed(b"{}"))));
        let others =
            ["event: a\r\ndata: b\r\n\r\n", "event: a\nid: 1\ndata: b\n\n", "event: a\n\n", "event: a\ndata: b\n"];
        assert!(others.iter().all(|other| !Frame::parse(other.as_bytes()).is_clean));
    }

    #[test]
    fn data_lines_are_joined_and_other_fields_are_known() {
        let frame = Frame::parse(b"event: e\r\nid: 7\r\n: note\r\ndata: a\r\ndata:b\r\n\r");
        assert_eq!(frame.data.as_deref(), Some(&b"a\nb"[..]));
        assert_eq!((frame.event, frame.is_plain), (Some(&b"e"[..]), false));
    }

    #[test]
    fn comments_carry_nothing() {
        assert!(Frame::parse(b": ping\n\n").is_comment());
        assert!(!Frame::parse(b"event: ping\n\n").is_comment());
        assert_eq!(Frame::parse(b"data\n\n").data.as_deref(), Some(&b""[..]));
    }
}
