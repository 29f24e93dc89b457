//! Forms as `multipart/form-data` (RFC 7578), read from a whole body without copying its files.

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_TYPE;
use memchr::memmem;

/// Forms come from strangers.
const MOST_PARTS: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    pub(crate) name: &'a str,
    /// Only files have one.
    pub(crate) file_name: Option<&'a str>,
    pub(crate) content: &'a [u8],
}

#[derive(Debug)]
pub(crate) struct Form<'a> {
    parts: Vec<Part<'a>>,
}

impl<'a> Form<'a> {
    /// Fails with words for the caller.
    pub(crate) fn read(request: &HttpRequest, body: &'a [u8]) -> Result<Self, String> {
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let boundary = content_type.and_then(boundary).ok_or("the content type is not multipart/form-data")?;
        Ok(Self { parts: parts(body, &boundary)? })
    }

    /// The first field of that name, if it is text.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        let part = self.parts.iter().find(|part| part.name == name && part.file_name.is_none())?;
        std::str::from_utf8(part.content).ok()
    }

    /// Files of that name, or of that name with `[]`.
    pub(crate) fn files(&self, name: &str) -> impl Iterator<Item = Part<'a>> {
        let is_wanted = move |part: &&Part<'a>| part.name.strip_suffix("[]").unwrap_or(part.name) == name;
        self.parts.iter().filter(|part| part.file_name.is_some()).filter(is_wanted).copied()
    }
}

fn boundary(content_type: &str) -> Option<String> {
    let parameters = content_type.strip_prefix("multipart/form-data")?;
    let value = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("boundary="))?;
    let value = value.trim_matches('"');
    (!value.is_empty() && value.len() <= 70).then(|| value.to_owned())
}

fn parts<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<Part<'a>>, String> {
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(&delimiter);
    let opening = delimiter.as_bytes().get(2..).unwrap_or_default();
    let mut rest = body.strip_prefix(opening).ok_or("the form does not begin with its boundary")?;
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let content = rest.strip_prefix(b"\r\n").ok_or("a boundary is followed by something else than a line end")?;
        let end = finder.find(content).ok_or("the form ends within a part")?;
        let (part, behind) = content.split_at(end);
        parts.push(read_part(part)?);
        if parts.len() > MOST_PARTS {
            return Err(format!("the form has more than {MOST_PARTS} parts"));
        }
        rest = behind.get(delimiter.len()..).unwrap_or_default();
    }
    Ok(parts)
}

fn read_part(part: &[u8]) -> Result<Part<'_>, String> {
    let end = memmem::find(part, b"\r\n\r\n").ok_or("a part has no end of its headers")?;
    let (head, rest) = part.split_at(end);
    let head = std::str::from_utf8(head).map_err(|_| "a part's headers are not UTF-8")?;
    let disposition = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let (_, disposition) = disposition
        .into_iter()
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))
        .ok_or("a part has no content-disposition")?;
    let name = parameter(disposition, "name").ok_or("a part has no name")?;
    Ok(Part { name, file_name: parameter(disposition, "filename"), content: rest.get(4..).unwrap_or_default() })
}

/// The quoted or bare value of a parameter. Escaped quotes end it: no client here writes them.
fn parameter<'a>(disposition: &'a str, wanted: &str) -> Option<&'a str> {
    let mut parameters = disposition.split(';').skip(1).filter_map(|parameter| parameter.trim().split_once('='));
    parameters.find(|(name, _)| name.trim() == wanted).map(|(_, value)| value.trim().trim_matches('"'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FORM: &[u8] = b"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nsim-chat\r\n--b\r\n\
        content-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n\
        \x00--b\r\n\r\n--c\xff\r\n--b--\r\n";

    #[test]
    fn fields_and_files_are_found_with_their_bytes() {
        let form = Form { parts: parts(FORM, "b").unwrap() };
        assert_eq!(form.text("model"), Some("sim-chat"));
        let file = form.files("file").next().unwrap();
        assert_eq!((file.file_name, file.content), (Some("a.wav"), b"\x00--b\r\n\r\n--c\xff".as_slice()));
        assert_eq!(form.text("file"), None);
    }

    #[test]
    fn a_broken_form_is_refused_wherever_it_is_cut() {
        for length in 0..FORM.len() - 4 {
            assert!(parts(&FORM[..length], "b").is_err(), "{length}");
        }
        assert!(parts(b"--b\r\nno: disposition\r\n\r\nx\r\n--b--", "b").is_err());
    }

    #[test]
    fn a_boundary_is_found_bare_and_quoted() {
        assert_eq!(boundary("multipart/form-data; boundary=abc").as_deref(), Some("abc"));
        assert_eq!(boundary("multipart/form-data; charset=utf-8; boundary=\"a b\"").as_deref(), Some("a b"));
        assert_eq!(boundary("application/json"), None);
    }
}
