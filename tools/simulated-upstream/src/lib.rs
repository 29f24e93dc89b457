#![forbid(unsafe_code)]
//! A simulated OpenAI-compatible model server: a real HTTP server on its own port and thread.
//!
//! Owns deterministic answers (chat, completions, embeddings, models; streamed and not), every misbehaviour that a real
//! model server was seen with ([`Behaviour`]), and the count of what it served ([`Counters`]), so that a test can compare
//! the platform's books with the upstream's. Fast enough to stand behind a benchmark: prepared text, one pass over the
//! request, no JSON tree.
//!
//! Never knows anything of the platform, never writes a request to disk or to a log.
//!
//! One more misbehaviour: a variant or field in `behaviour.rs` (a model name suffix follows from its name), its effect in
//! `answer.rs` or `stream.rs`, a test in `tests/`.
//!
//! | path | what |
//! |---|---|
//! | `GET /v1/models`, `GET /v1/models/{id}` | the served models; an id may hold slashes |
//! | `POST /v1/chat/completions`, `/v1/completions`, `/v1/embeddings` | answers as the behaviour says |
//! | `GET /health`, `GET /v1/health` | 200 without a key |
//! | `GET /_counters`, `GET /_requests`, `GET`/`POST /_behaviour`, `POST /_reset` | control from another process |
//!
//! Tokens are whitespace-separated words: the input's are counted, the output's are as many as [`Behaviour`] says, or
//! `max_tokens` when that is less.

mod answer;
mod behaviour;
mod control;
mod counters;
mod operation;
mod recorder;
mod request;
mod routes;
mod server;
mod state;
mod stream;
mod text;

pub use behaviour::{Behaviour, ErrorAnswer, Framing, StreamFault, UnknownModifier, UsageMode};
pub use counters::{Cancellation, Counters, ModelCounters};
pub use operation::Operation;
pub use recorder::RecordedRequest;
pub use server::{Options, SimulatedUpstream};
