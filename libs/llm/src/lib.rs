//! The languages of inference endpoints: OpenAI's chat completions, Responses and the smaller ones, Anthropic's Messages.
//!
//! Owns: finding the few fields of a request that matter and rewriting them in place, the framing of streams, the
//! counts in a usage report, what a client may see of an upstream's answer, and the data plane's list of errors.
//! Never does: I/O, time, waiting, keys, rights, prices. Everything is a pure function or a state machine that is fed
//! bytes, and bytes that need no change leave as slices of what came in.
//!
//! To add an endpoint of a known language, teach [`request`] its required fields. To add a language, name it in [`api`],
//! give it a [`stream::StreamFilter`] and an answer reader built from [`scan`], [`sse`] and [`usage`], and where upstreams
//! lack it a folder in [`translate`]. To add an error code, add one row to the table in [`error`].
#![forbid(unsafe_code)]

pub mod answer;
pub mod api;
mod choices;
pub mod error;
pub mod models;
pub mod multipart;
mod objects;
pub mod request;
pub mod scan;
pub mod splice;
pub mod sse;
pub mod stream;
pub mod translate;
pub mod usage;
