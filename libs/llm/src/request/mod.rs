//! What the proxy must know of a request body, and the two things it may change in it.
//!
//! The body is walked once. Nothing is kept but a handful of values and where they stand, so that a rewrite replaces
//! exactly those bytes.

mod fields;
mod rewrite;

use maas_types::Operation;

pub use fields::RequestFields;
pub use rewrite::rewrite_request;

use crate::scan::ScanError;

/// The longest model name that is looked up, in characters.
pub const MAX_MODEL_CHARS: usize = 256;

/// Why a body is refused. The text is for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("the request body is not valid JSON: {0}")]
    InvalidJson(#[from] ScanError),
    #[error("the request body is not valid UTF-8 at byte {offset}")]
    InvalidUtf8 { offset: usize },
    #[error("the request body must be a JSON object")]
    NotAnObject,
    #[error("missing required field `{param}`")]
    MissingField { param: &'static str },
    #[error("`{param}` must be {expected}")]
    WrongType { param: &'static str, expected: &'static str },
    #[error("`{param}` must not be empty")]
    Empty { param: &'static str },
    #[error("`{param}` is longer than {limit} characters")]
    TooLong { param: &'static str, limit: usize },
    /// Servers differ in which of two they believe; rights are checked on one, so neither is believed.
    #[error("`{param}` is given more than once")]
    DuplicateField { param: &'static str },
}

impl RequestError {
    /// The field at fault, for the error's `param`.
    pub const fn param(self) -> Option<&'static str> {
        match self {
            Self::InvalidJson(_) | Self::InvalidUtf8 { .. } | Self::NotAnObject => None,
            Self::MissingField { param }
            | Self::WrongType { param, .. }
            | Self::Empty { param }
            | Self::TooLong { param, .. }
            | Self::DuplicateField { param } => Some(param),
        }
    }
}

/// The field that carries the content of an operation, and what it must be.
struct Content {
    param: &'static str,
    text_allowed: bool,
}

const fn content_of(operation: Operation) -> Option<Content> {
    match operation {
        Operation::Chat => Some(Content { param: "messages", text_allowed: false }),
        Operation::Completion => Some(Content { param: "prompt", text_allowed: true }),
        Operation::Embeddings => Some(Content { param: "input", text_allowed: true }),
        _ => None,
    }
}

const fn can_stream(operation: Operation) -> bool {
    matches!(operation, Operation::Chat | Operation::Completion)
}
