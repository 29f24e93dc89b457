//! The parts of an upload that decide, and what their values may be.

use super::{MultipartError, headers::PartHeaders};
use crate::request::MAX_MODEL_CHARS;

/// The longest value of a field that is read besides the model, in bytes.
const MAX_FIELD: usize = 64;
/// The longest model name in bytes: four for a character at most.
const MAX_MODEL_BYTES: usize = 4 * MAX_MODEL_CHARS;

pub(super) const NOT_A_NAME: MultipartError =
    MultipartError::BadModel { expected: "a name of 1 to 256 characters in UTF-8, without control characters" };

/// What a part is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Model,
    Stream,
    ResponseFormat,
    Other,
}

impl Field {
    pub fn of(part: &PartHeaders<'_>) -> Result<Self, MultipartError> {
        match part.name {
            "model" if part.is_file || part.is_encoded => Err(MultipartError::BadModel { expected: "plain text" }),
            "model" => Ok(Self::Model),
            // Some servers match names without regard to case and would see a second model here.
            other if other.trim().eq_ignore_ascii_case("model") => Err(MultipartError::DuplicateModel),
            "stream" => Ok(Self::Stream),
            "response_format" => Ok(Self::ResponseFormat),
            _ => Ok(Self::Other),
        }
    }

    /// How much of the content is kept, in bytes.
    pub const fn kept(self) -> usize {
        match self {
            Self::Model => MAX_MODEL_BYTES,
            Self::Stream | Self::ResponseFormat => MAX_FIELD,
            Self::Other => 0,
        }
    }
}

pub(super) fn is_model(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(char::is_control) && name.chars().nth(MAX_MODEL_CHARS).is_none()
}

/// The words that servers take for true in a form.
pub(super) fn is_true(text: &str) -> bool {
    ["true", "1", "on", "yes"].iter().any(|word| text.trim().eq_ignore_ascii_case(word))
}
