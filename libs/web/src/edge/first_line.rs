//! The path of a request whose head the HTTP implementation could not read or did not get.

/// As much of a request's first line as is looked at.
#[derive(Clone, Copy)]
pub struct FirstLine([u8; 128]);

impl Default for FirstLine {
    fn default() -> Self {
        Self([0; 128])
    }
}

impl From<&[u8]> for FirstLine {
    fn from(bytes: &[u8]) -> Self {
        let mut line = Self::default();
        line.0.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        line
    }
}

impl FirstLine {
    /// `None` unless the whole path is there.
    pub fn path(&self) -> Option<&str> {
        let mut words = self.0.splitn(2, |byte| *byte == b' ');
        let target = words.nth(1)?;
        let end = target.iter().position(|byte| matches!(byte, b' ' | b'?'))?;
        str::from_utf8(target.get(..end)?).ok().filter(|path| path.starts_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_where_it_is_whole() {
        let path = |line: &str| FirstLine::from(line.as_bytes()).path().map(str::to_owned);
        assert_eq!(path("POST /v1/messages?beta=true HTTP/1.1\r\n").as_deref(), Some("/v1/messages"));
        assert_eq!(path("GET / HTTP/1.1\r\n").as_deref(), Some("/"));
        let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(200));
        for line in ["", "POST", "POST ", "POST /v1/mess", "POST \u{e4} x", "{\"a\": 1, 2}", &long] {
            assert_eq!(path(line), None, "{line}");
        }
    }
}
