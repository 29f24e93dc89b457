//! The few header fields that an upload is understood by, read strictly: where servers differ, nothing is guessed.

use super::{MAX_BOUNDARY, MultipartError};

/// The boundary that a `Content-Type` names.
pub(super) fn boundary(content_type: &str) -> Result<String, MultipartError> {
    let (media_type, rest) = content_type.split_once(';').ok_or(MultipartError::NoBoundary)?;
    if !media_type.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Err(MultipartError::NoBoundary);
    }
    let mut found = None;
    for parameter in Parameters(rest) {
        let (name, value) = parameter.ok_or(MultipartError::NoBoundary)?;
        if name.eq_ignore_ascii_case("boundary") && found.replace(value).is_some() {
            return Err(MultipartError::NoBoundary);
        }
    }
    found.filter(|boundary| is_boundary(boundary)).map(str::to_owned).ok_or(MultipartError::NoBoundary)
}

fn is_boundary(text: &str) -> bool {
    let permitted = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    (1..=MAX_BOUNDARY).contains(&text.len()) && !text.ends_with(' ') && text.bytes().all(permitted)
}

/// What the headers of one part say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PartHeaders<'a> {
    pub name: &'a str,
    pub is_file: bool,
    /// The content stands there in another form than its own.
    pub is_encoded: bool,
}

impl<'a> PartHeaders<'a> {
    /// Reads a header block without the blank line behind it; on an error answers what is wrong.
    pub fn parse(block: &'a [u8]) -> Result<Self, &'static str> {
        let block = std::str::from_utf8(block).map_err(|_| "not UTF-8")?;
        let mut disposition = None;
        let mut is_encoded = false;
        for line in block.split("\r\n") {
            if line.contains(['\r', '\n', '\0']) {
                return Err("a line does not end in CR LF");
            }
            let (name, value) = line.split_once(':').ok_or("a line without a colon")?;
            if name.is_empty() || name.contains([' ', '\t']) {
                return Err("a folded line, or a space in a name");
            }
            if name.eq_ignore_ascii_case("content-disposition") && disposition.replace(value).is_some() {
                return Err("two content dispositions");
            }
            if name.eq_ignore_ascii_case("content-transfer-encoding") {
                let same = ["7bit", "8bit", "binary"];
                is_encoded |= !same.iter().any(|same| value.trim().eq_ignore_ascii_case(same));
            }
        }
        let disposition = disposition.ok_or("no content disposition")?;
        Ok(Self { is_encoded, ..Self::of_disposition(disposition)? })
    }

    fn of_disposition(value: &'a str) -> Result<Self, &'static str> {
        let (kind, rest) = value.split_once(';').ok_or("a part without a name")?;
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            return Err("the content disposition is not form-data");
        }
        let (mut name, mut is_file) = (None, false);
        for parameter in Parameters(rest) {
            let (key, value) = parameter.ok_or("a parameter that is not name=\"value\"")?;
            if key.eq_ignore_ascii_case("name") && name.replace(value).is_some() {
                return Err("two names of one part");
            }
            if key.eq_ignore_ascii_case("name*") {
                return Err("an encoded name");
            }
            is_file |= key.eq_ignore_ascii_case("filename") || key.eq_ignore_ascii_case("filename*");
        }
        let name = name.ok_or("a part without a name")?;
        Ok(Self { name, is_file, is_encoded: false })
    }
}

/// `name=value; name="value"`; `None` for one that is neither. An escaped quote is neither: some servers end the value
/// at it, others do not.
struct Parameters<'a>(&'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = Option<(&'a str, &'a str)>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.trim_matches([' ', '\t']);
        if rest.is_empty() {
            return None;
        }
        let Some((parameter, rest)) = parameter(rest) else {
            self.0 = "";
            return Some(None);
        };
        self.0 = rest;
        Some(Some(parameter))
    }
}

/// The first parameter and what follows its semicolon.
fn parameter(text: &str) -> Option<((&str, &str), &str)> {
    let (name, value) = text.split_once('=')?;
    if name.is_empty() || name.contains(['"', ';', ' ', '\t', '\\']) {
        return None;
    }
    let (value, rest) = match value.strip_prefix('"') {
        Some(quoted) => {
            let (value, rest) = quoted.split_once('"')?;
            if value.ends_with('\\') {
                return None;
            }
            (value, rest)
        }
        None => {
            let (value, rest) = value.split_at(value.find(';').unwrap_or(value.len()));
            (value.trim_matches([' ', '\t']), rest)
        }
    };
    let rest = rest.trim_start_matches([' ', '\t']);
    match rest.strip_prefix(';') {
        Some(rest) => Some(((name, value), rest)),
        None => rest.is_empty().then_some(((name, value), rest)),
    }
}
