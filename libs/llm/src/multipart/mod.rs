//! Uploads in `multipart/form-data` (RFC 7578, RFC 2046), scanned while they pass: transcriptions, translations, image
//! edits.
//!
//! A [`MultipartScan`] is pushed the body in pieces and keeps no more than a header block. It finds the `model` part, so
//! that the bytes of its value can be replaced, and goes on to the end: servers differ in which of two parts they
//! believe, so a second one is refused wherever it stands. What servers read in different ways is refused as well: bare
//! line feeds around a boundary, folded headers, two names of one part.

mod field;
mod headers;
mod scan;

pub use scan::{MultipartScan, UploadModel};

/// The longest header block of one part, in bytes.
pub const MAX_PART_HEADERS: usize = 16 * 1024;

/// The longest boundary, in characters, as RFC 2046 has it.
pub const MAX_BOUNDARY: usize = 70;

/// Why an upload is refused. The text is for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    #[error("the content type must be multipart/form-data with one boundary of 1 to 70 permitted characters")]
    NoBoundary,
    #[error("the body does not begin with its boundary")]
    NoOpening,
    #[error("the boundary at byte {offset} does not stand alone on its line")]
    BadDelimiter { offset: usize },
    #[error("the headers of the part at byte {offset} are longer than {limit} bytes")]
    HeadersTooLong { offset: usize, limit: usize },
    #[error("the headers of the part at byte {offset} are not understood: {what}")]
    BadHeaders { offset: usize, what: &'static str },
    #[error("the body goes on after its last boundary")]
    TrailingData,
    #[error("the body ends before its last boundary")]
    Incomplete,
    #[error("missing required field `model`")]
    MissingModel,
    /// Servers differ in which of two they believe; rights are checked on one, so neither is believed.
    #[error("`model` is given more than once")]
    DuplicateModel,
    #[error("`model` must be {expected}")]
    BadModel { expected: &'static str },
}

impl MultipartError {
    /// The field at fault, for the error's `param`.
    pub const fn param(self) -> Option<&'static str> {
        match self {
            Self::MissingModel | Self::DuplicateModel | Self::BadModel { .. } => Some("model"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
