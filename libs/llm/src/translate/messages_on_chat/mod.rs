//! Anthropic's Messages served from an upstream that has chat completions.
//!
//! Sources: `https://docs.claude.com/en/api/messages`, `https://platform.openai.com/docs/api-reference/chat`.

mod answer;
mod blocks;
mod chat_body;
mod count;
pub(super) mod effort;
mod form;
mod message;
mod parts;
mod request;
mod stream;
pub(super) mod tool_input;
mod tools;
mod turns;

pub use answer::answer;
pub use count::count_tokens;
pub use request::request;
pub use stream::Translator;

/// What an answer must say that the upstream cannot know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageSettings {
    /// The name that the client asked for.
    pub client_model: String,
    /// The message's id, `msg_…`: chat ids look different, and some servers give none. No two answers may share it, since
    /// ids for calls to which the upstream gave none are made from it.
    pub message_id: String,
}
