//! The usage journal: where every admitted request is on record before anything is spent on it.
//!
//! Guarantees, for records that are *confirmed*: with [`Durability::Process`] those that a call with [`Flush::Now`] or a
//! [`WorkerJournal::flush`] has written, with [`Durability::Host`] those whose [`Confirmation`] has resolved as well:
//! - they survive the end of the process, `kill -9` included, and with `Host` that of the machine;
//! - a `SETTLE` is given out for shipping only once it is confirmed, in the order of its dense sequence, and stays in
//!   the file until the committed watermark covers it, and for a retention after that;
//! - an `ADMIT` without a `SETTLE` anywhere in the journal is reported after the next start, exactly once per start;
//! - nothing is lost silently: damaged parts are copied to quarantine, logged, and named in [`RecoveredSource`].
//!
//! What waits for what, with `Host`: the upstream is called once the `ADMIT` is written, so that the sync overlaps with
//! the upstream's latency; the first byte of the answer waits for the `ADMIT` to be confirmed, and the last one for the
//! `SETTLE`. That order is the caller's to keep; the journal gives it what to wait for.
//!
//! What fails, and what is left then, stands at the head of each file: `worker` (writing), `ballast` (a full disk),
//! `syncing`, `shipping` (reading back), `retention` (deleting), `recovery` (the next start).
//!
//! The journal knows ids, kinds and sequences. It never decodes a payload and never talks to the network. Its only
//! threads are those that sync, one for each worker, with `Host`. To add a record kind, add it to [`RecordKind`] and say
//! in `scan` what it means.
//!
//! Folder: `instance` (the id of this installation), `lock`, `<boot>-<worker>-<number>.seg`, `watermarks`, `ballast` (room
//! that is kept for a full disk), `quarantine/`.
//!
//! Write pattern: records gather in one buffer per worker and reach the file with one `write` per flush, in place, on
//! the worker's own thread. A request costs two writes (`ADMIT` before the upstream call, `SETTLE` before the terminal
//! chunk), or fewer when one scheduler turn flushes for several requests ([`Flush::Later`]). No allocation per record
//! except the payload that the caller encodes; one uncontended lock per admission and two per settlement.
#![forbid(unsafe_code)]

mod ballast;
mod error;
mod folder;
mod inspect;
mod journal;
mod options;
mod record;
mod recovery;
mod retention;
mod scan;
mod segment;
mod shipping;
mod source;
mod storage;
mod syncing;
mod watermarks;
mod worker;

#[cfg(test)]
mod ballast_tests;
#[cfg(test)]
mod history;
#[cfg(test)]
mod journal_tests;
#[cfg(test)]
mod retention_tests;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod syncing_tests;

pub use error::JournalError;
pub use inspect::{InspectedSource, Inspection, inspect};
pub use journal::{Journal, JournalStats};
pub use options::{Durability, Flush, JournalOptions};
pub use record::{MAX_RECORD_LENGTH, RecordKind};
pub use recovery::{RecoveredSource, Recovery};
pub use scan::InterruptedRequest;
pub use source::{SettledRecord, SourceStatus};
pub use syncing::Confirmation;
pub use worker::WorkerJournal;
