//! What the proxy must know of a request body, and the few things it may change in it.
//!
//! The body is walked once. Nothing is kept but a handful of values and where they stand, so that a rewrite replaces
//! exactly those bytes. What each operation needs is one row of the table in `shape.rs`.

mod checks;
mod fields;
mod found;
mod rewrite;
mod shape;

pub use fields::{MAX_CACHE_KEY_BYTES, MAX_RESPONSE_ID_BYTES, RequestFields};
pub use rewrite::{Rewrite, rewrite_request};

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
    /// Servers with one model do without it at these paths, so clients leave it out.
    #[error("missing required field `model`: many models are served here, so the request must name the one it means")]
    UnnamedModel,
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
            Self::UnnamedModel => Some("model"),
            Self::MissingField { param }
            | Self::WrongType { param, .. }
            | Self::Empty { param }
            | Self::TooLong { param, .. }
            | Self::DuplicateField { param } => Some(param),
        }
    }
}

#[cfg(test)]
mod tests;
