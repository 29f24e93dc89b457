//! Forms as `multipart/form-data`, written byte by byte.

pub const CONTENT_TYPE: &str = "multipart/form-data; boundary=boundary-of-tests";
pub const TRANSCRIPTIONS: &str = "/v1/audio/transcriptions";

/// Parts in the order in which they are added.
#[derive(Default)]
pub struct Form(Vec<u8>);

impl Form {
    pub fn field(self, name: &str, value: &str) -> Self {
        self.part(&format!("name=\"{name}\""), value.as_bytes())
    }

    pub fn file(self, name: &str, content: &[u8]) -> Self {
        self.part(&format!("name=\"{name}\"; filename=\"sound.wav\""), content)
    }

    /// As it stands, without its end.
    pub fn open(self) -> Vec<u8> {
        self.0
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"--boundary-of-tests--\r\n");
        self.0
    }

    fn part(mut self, disposition: &str, content: &[u8]) -> Self {
        let head = format!("--boundary-of-tests\r\ncontent-disposition: form-data; {disposition}\r\n\r\n");
        self.0.extend_from_slice(head.as_bytes());
        self.0.extend_from_slice(content);
        self.0.extend_from_slice(b"\r\n");
        self
    }
}

/// Bytes that are no text, with line ends and dashes in them.
pub fn sound(length: usize) -> Vec<u8> {
    b"\r\n--\x00\xff".iter().copied().cycle().take(length).collect()
}

/// As `transfer-encoding: chunked` has it, in chunks of that size.
pub fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let chunk = |part: &[u8]| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
    let mut coded: Vec<u8> = body.chunks(size).flat_map(chunk).collect();
    coded.extend_from_slice(b"0\r\n\r\n");
    coded
}
