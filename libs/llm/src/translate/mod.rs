//! Languages that an upstream does not speak, by way of one that it does.
//!
//! Chat completions are the hub. [`messages_on_chat`] and [`responses_on_chat`] serve Anthropic's Messages and OpenAI's
//! Responses from an upstream that only has chat completions; [`chat_on_messages`] serves chat completions from an
//! upstream that only has Messages. Responses on a Messages upstream is the one after the other.
//!
//! Each folder has three parts: `request` turns the client's body into the upstream's, `answer` the upstream's whole
//! answer into the client's, `stream` the frames. What cannot be said in the other language is refused with the name of
//! the field ([`TranslationError`]), never dropped silently; fields that only tune (and that nobody could miss in the
//! answer) may be left out, and each such field is listed where it is left out.
//!
//! To add a pair of languages, add a folder with these three parts and golden files in `tests/golden/<folder>`.

mod body;
pub mod chat;
pub mod chat_on_messages;
pub mod messages_on_chat;
pub mod responses_on_chat;
mod stream;

pub use stream::{ChatTranslator, TranslatedStream};

/// Why a request cannot be said in the upstream's language. The text is for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranslationError {
    /// The body is not what its own API says: wrong type, missing member.
    #[error("{message}")]
    Invalid { param: Option<String>, message: String },
    /// It is fine, but this upstream has nothing that would do it.
    #[error("`{param}`: {reason}")]
    Unsupported { param: String, reason: String },
}

impl TranslationError {
    pub fn unsupported(param: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Unsupported { param: param.into(), reason: reason.into() }
    }

    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { param: Some(param.into()), message: message.into() }
    }

    /// The field at fault, for the error's `param`.
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::Invalid { param, .. } => param.as_deref(),
            Self::Unsupported { param, .. } => Some(param),
        }
    }

    /// A body that serde refuses. Its texts name types and places, never values of strings.
    pub(crate) fn from_json(error: &serde_json::Error) -> Self {
        Self::Invalid { param: None, message: format!("the request body does not have the expected form: {error}") }
    }
}

/// An upstream's answer that the client's language cannot say, or that is not what the upstream's language says.
#[derive(Debug, thiserror::Error)]
#[error("the upstream's answer does not have the expected form")]
pub struct UntranslatableAnswer(#[from] serde_json::Error);
