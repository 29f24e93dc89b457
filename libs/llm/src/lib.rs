//! The language of OpenAI-style inference endpoints: chat completions, completions, embeddings, model lists.
//!
//! Owns: finding the few fields of a request that matter and rewriting them in place, the framing of streams, the
//! counts in a usage report, what a client may see of an upstream's answer, and the data plane's list of errors.
//! Never does: I/O, time, waiting, keys, rights, prices. Everything is a pure function or a state machine that is fed
//! bytes, and bytes that need no change leave as slices of what came in.
//!
//! To add an endpoint of the same style, teach [`request`] its required fields. To add another style of API, add a
//! module beside [`stream`] and [`answer`] that is built from [`scan`], [`sse`] and [`usage`]. To add an error code,
//! add one row to the table in [`error`].
#![forbid(unsafe_code)]

pub mod answer;
mod choices;
pub mod error;
pub mod models;
pub mod request;
pub mod scan;
pub mod splice;
pub mod sse;
pub mod stream;
pub mod usage;
