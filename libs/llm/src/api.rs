//! Which language a request, its answer, its stream and its errors are written in.

use maas_types::Operation;

/// The languages that clients and upstreams speak. Two sides that speak the same one are relayed byte for byte; two
/// that do not are translated, see [`crate::translate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// OpenAI's chat completions, and completions, which share their frames.
    Chat,
    /// Anthropic's Messages.
    Messages,
    /// OpenAI's Responses.
    Responses,
    /// One question, one answer: embeddings, rerank, images, audio, moderations, tokenizers. Never translated.
    Plain,
}

impl Api {
    pub const fn of(operation: Operation) -> Self {
        match operation {
            Operation::Chat | Operation::Completion => Self::Chat,
            Operation::Messages | Operation::CountTokens => Self::Messages,
            Operation::Responses => Self::Responses,
            Operation::Embeddings
            | Operation::Rerank
            | Operation::Speech
            | Operation::Transcription
            | Operation::Translation
            | Operation::ImageGeneration
            | Operation::ImageEdit
            | Operation::Moderation
            | Operation::Tokenize
            | Operation::Detokenize => Self::Plain,
        }
    }
}
