//! The values a behaviour's fields take; each has the same name in JSON and in a modifier.

use serde::{Deserialize, Serialize};

/// An error before anything of the answer was sent. Its shape is that of the called API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorAnswer {
    /// 400
    BadRequest,
    /// 400 with vLLM's words for a prompt that is too long; on Messages with Anthropic's.
    ContextOverflow,
    /// 401
    Unauthorized,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 413
    TooLarge,
    /// 429 with `Retry-After`
    RateLimited,
    /// 429 with the code `insufficient_quota` and no `Retry-After`
    Quota,
    /// 500
    Internal,
    /// 503 with `Retry-After`
    Unavailable,
    /// 504
    Timeout,
    /// 529, which only Anthropic uses.
    Overloaded,
    /// 200 and an error: as a JSON object, or as the only data frame of a stream, as Llama Stack does.
    UnderOk,
    /// 200 with JSON that ends too early.
    MalformedJson,
    /// 502 with HTML, as a load balancer sends it.
    HtmlPage,
    /// The connection closes without an answer.
    Disconnect,
}

/// What is wrong below HTTP, with an answer that would have been right: it counts as completed. Each fault closes the
/// connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionFault {
    /// A TCP reset instead of an answer.
    Reset,
    /// The head ends in the middle of a header.
    HalfHead,
    /// The head comes in small pieces, 20 ms apart or as `chunk_delay_ms` says.
    SlowHead,
    /// A head of more than 64 KiB.
    HugeHead,
    /// A `Content-Length` of more bytes than come.
    LongLength,
    /// A `Content-Length` of fewer bytes than come.
    ShortLength,
    /// No length at all: only the end of the connection ends the body. Legal.
    NoLength,
    /// A 103 before the answer. Legal.
    EarlyHints,
    /// Bytes that are not HTTP.
    Garbage,
}

/// What goes wrong in the middle of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StreamFault {
    /// An error as a data frame (Messages and Responses: as an `error` event), then the end.
    ErrorFrame,
    /// The connection is cut.
    Cut,
    /// Nothing more comes, and the connection stays open until the client leaves.
    Stall,
    /// All the content, then a clean end without finish_reason, usage and `[DONE]` or any other last event.
    NoFinishReason,
    /// Everything but `[DONE]`, as Llama Stack does.
    NoDone,
}

/// When and how token usage is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UsageMode {
    /// As OpenAI: in a stream only with `include_usage`, as a last chunk with `choices: []`.
    WhenAsked,
    /// The last chunk always comes.
    Always,
    /// As Gemini: running totals on every chunk.
    Cumulative,
    /// Never, not even without streaming.
    Missing,
    /// Numbers that no request can have.
    Huge,
    /// A total that is not the sum of its parts.
    Inconsistent,
    /// The usage chunk has no `choices` at all.
    WithoutChoices,
}

/// How frames are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    Plain,
    /// CR LF line ends.
    Crlf,
    /// A comment before each frame.
    Comments,
    /// An `id:` line in each frame.
    IdLines,
}

/// Where chat answers put reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReasoningField {
    /// `reasoning_content`, as DeepSeek and older vLLM.
    ReasoningContent,
    /// `reasoning`, as newer vLLM.
    Reasoning,
}

/// How a response of the Responses API ends, other than completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResponseEnd {
    /// After the first `fault_after_chunks` pieces.
    Failed,
    /// After all the content, as if `max_output_tokens` had been reached.
    Incomplete,
}
