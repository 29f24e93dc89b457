#![forbid(unsafe_code)]
//! A simulated model server that speaks the APIs of OpenAI, Anthropic, Azure and vLLM: a real HTTP server on its own port
//! and thread.
//!
//! Owns deterministic answers of every operation, streamed and not, every misbehaviour that a real model server was seen
//! with ([`Behaviour`]), and the count and record of what it served ([`Counters`], [`RecordedRequest`]), so that a test can
//! compare the platform's books with the upstream's. Fast enough to stand behind a benchmark: chat is prepared text, one
//! pass over the request, no JSON tree.
//!
//! Never knows anything of the platform, never writes a request to disk or to a log.
//!
//! One more misbehaviour: a field in `behaviour/mod.rs` or a variant in `behaviour/kinds.rs`, its modifier in
//! `behaviour/modifiers.rs` (variants have one already), its effect where the answer is made, a test in `tests/`. One more
//! operation: a variant in `operation.rs`, a file with its request (`call::Asked`) and its answer, a line in `routes.rs`.
//!
//! | path | what |
//! |---|---|
//! | `GET /v1/models`, `GET /v1/models/{id}` | the served models; an id may hold slashes; with `anthropic-version` in Anthropic's form |
//! | `POST /v1/chat/completions`, `/v1/completions`, `/v1/embeddings` | answers as the behaviour says |
//! | `POST /v1/responses`, `GET`/`DELETE /v1/responses/{id}`, `POST …/cancel`, `GET …/input_items` | responses, the newest kept in memory |
//! | `POST /v1/messages`, `/v1/messages/count_tokens` | Anthropic's Messages, with `x-api-key` and `anthropic-version` |
//! | `POST /v1/moderations`, `/v1/images/generations`, `/v1/images/edits` | as OpenAI |
//! | `POST /v1/audio/speech`, `/v1/audio/transcriptions`, `/v1/audio/translations` | as OpenAI |
//! | `POST /rerank`, `/v1/rerank`, `/v2/rerank`, `/tokenize`, `/detokenize` | as vLLM |
//! | `POST /openai/deployments/{model}/…?api-version=…`, `/openai/v1/…` | Azure's paths of chat, completions, embeddings, images, audio, and (the latter) of all of OpenAI's |
//! | `GET /health`, `GET /v1/health` | 200, or as the behaviour says, without a key |
//! | `GET /_counters`, `GET /_requests`, `GET`/`POST /_behaviour`, `POST /_reset` | control from another process |
//!
//! Tokens are whitespace-separated words: the input's are counted, an image counts 85, the output's are as many as
//! [`Behaviour`] says, or `max_tokens` when that is less. JSON that a schema or a tool demands counts a token for each
//! fragment of 12 bytes.

mod audio;
mod azure;
mod behaviour;
mod call;
mod chat;
mod connection;
mod control;
mod counters;
mod dialect;
mod embeddings;
mod errors;
mod failures;
mod frames;
mod images;
mod json;
mod messages;
mod models;
mod moderations;
mod multipart;
mod operation;
mod plan;
mod recorder;
mod rerank;
mod responses;
mod routes;
mod sample;
mod server;
mod serving;
mod state;
mod stream;
mod structured;
mod text;
mod tokenize;
mod tools;
mod usage;
mod words;

pub use behaviour::{
    Behaviour, ConnectionFault, ErrorAnswer, Framing, ReasoningField, ResponseEnd, StreamFault, UnknownModifier,
    UsageMode,
};
pub use counters::{Cancellation, Counters, ModelCounters, OperationCounters, ServedRequest};
pub use operation::Operation;
pub use recorder::RecordedRequest;
pub use server::{Options, SimulatedUpstream};
