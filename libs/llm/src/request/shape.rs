//! What each operation's body must have: one row per operation. To add one, write its row.

use maas_types::Operation;

/// The members of a body that decide, as its API documents them.
#[derive(Debug)]
pub(super) struct Shape {
    /// What the request is about. Where it stands is told, of the first that is there.
    pub content: &'static [Content],
    /// One of `content` is enough; else each must be there.
    pub any_content: bool,
    /// The members that bound the answer's tokens; the greatest counts.
    pub caps: &'static [&'static str],
    /// The first of `caps` must be there.
    pub cap_required: bool,
    pub streams: Streams,
    /// The request may name things that its upstream keeps: earlier answers, conversations.
    pub stateful: bool,
    /// Servers with one model take these requests without a model.
    pub model_often_left_out: bool,
}

/// A member that carries content, and what it may be.
#[derive(Debug)]
pub(super) struct Content {
    pub param: &'static str,
    pub allowed: Allowed,
    /// An array without elements means something.
    pub may_be_empty: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    Array,
    Text,
    TextOrArray,
    TextOrObject,
    ArrayOrObject,
    Object,
}

/// How a client asks for a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Streams {
    Never,
    /// `"stream": true`.
    Flag,
    /// The same, and `stream_options` may ask for usage.
    FlagWithOptions,
    /// `"stream_format": "sse"`; any other format is one body.
    Format,
}

const fn content(param: &'static str, allowed: Allowed) -> Content {
    Content { param, allowed, may_be_empty: false }
}

const MESSAGES: &[Content] = &[content("messages", Allowed::Array)];
const INPUT: &[Content] = &[content("input", Allowed::TextOrArray)];

const PLAIN: Shape = Shape {
    content: &[],
    any_content: false,
    caps: &[],
    cap_required: false,
    streams: Streams::Never,
    stateful: false,
    model_often_left_out: false,
};

const CHAT: Shape = Shape {
    content: MESSAGES,
    caps: &["max_completion_tokens", "max_tokens"],
    streams: Streams::FlagWithOptions,
    ..PLAIN
};
const COMPLETION: Shape = Shape {
    content: &[content("prompt", Allowed::TextOrArray)],
    caps: &["max_tokens"],
    streams: Streams::FlagWithOptions,
    ..PLAIN
};
const ANTHROPIC_MESSAGES: Shape =
    Shape { content: MESSAGES, caps: &["max_tokens"], cap_required: true, streams: Streams::Flag, ..PLAIN };
/// A stored prompt may bring the input with it.
const RESPONSES: Shape = Shape {
    content: &[content("input", Allowed::TextOrArray), content("prompt", Allowed::Object)],
    any_content: true,
    caps: &["max_output_tokens"],
    streams: Streams::Flag,
    stateful: true,
    ..PLAIN
};
/// The objects are vLLM's multi-modal form.
const RERANK: Shape = Shape {
    content: &[content("documents", Allowed::ArrayOrObject), content("query", Allowed::TextOrObject)],
    model_often_left_out: true,
    ..PLAIN
};
const IMAGES: Shape = Shape { content: &[content("prompt", Allowed::Text)], streams: Streams::Flag, ..PLAIN };
const SPEECH: Shape = Shape { content: &[content("input", Allowed::Text)], streams: Streams::Format, ..PLAIN };
/// Comes as a form; see [`crate::multipart`]. The row is for servers that take JSON as well.
const UPLOAD: Shape = Shape { streams: Streams::Flag, ..PLAIN };
const TOKENIZE: Shape = Shape {
    content: &[content("prompt", Allowed::TextOrArray), content("messages", Allowed::Array)],
    any_content: true,
    model_often_left_out: true,
    ..PLAIN
};
/// No tokens are a text too: the empty one.
const DETOKENIZE: Shape = Shape {
    content: &[Content { may_be_empty: true, ..content("tokens", Allowed::Array) }],
    model_often_left_out: true,
    ..PLAIN
};

pub(super) const fn shape_of(operation: Operation) -> &'static Shape {
    match operation {
        Operation::Chat => &CHAT,
        Operation::Completion => &COMPLETION,
        Operation::Embeddings | Operation::Moderation => &Shape { content: INPUT, ..PLAIN },
        Operation::Responses => &RESPONSES,
        Operation::Messages => &ANTHROPIC_MESSAGES,
        Operation::CountTokens => &Shape { content: MESSAGES, ..PLAIN },
        Operation::Rerank => &RERANK,
        Operation::Speech => &SPEECH,
        Operation::Transcription | Operation::Translation | Operation::ImageEdit => &UPLOAD,
        Operation::ImageGeneration => &IMAGES,
        Operation::Tokenize => &TOKENIZE,
        Operation::Detokenize => &DETOKENIZE,
    }
}
