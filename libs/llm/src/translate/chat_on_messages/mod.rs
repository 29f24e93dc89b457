//! Chat completions served from an upstream that has Anthropic's Messages.
//!
//! Sources: `https://docs.claude.com/en/api/messages`, `https://platform.openai.com/docs/api-reference/chat`.

mod answer;
mod completion;
mod form;
mod messages_body;
mod parts;
mod request;
mod stream;
mod thinking;
mod tools;
mod turns;

pub use answer::answer;
pub use request::{DEFAULT_MAX_TOKENS, request};
pub use stream::MessagesAsChat;

/// What an answer must say that the upstream does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletionSettings {
    /// The name that the client asked for.
    pub client_model: String,
    /// Unix seconds: a Message carries no time.
    pub created: u64,
}
