//! The usage journal: where every admitted request is on record before anything is spent on it.
//!
//! Guarantees, for records that a call with [`Flush::Now`] or a [`WorkerJournal::flush`] has confirmed:
//! - they survive the end of the process, `kill -9` included ([`Durability::Process`]);
//! - a `SETTLE` is given out for shipping only once it is in the file, in the order of its dense sequence, and stays in
//!   the file until the committed watermark covers it;
//! - an `ADMIT` without a `SETTLE` anywhere in the journal is reported after the next start, exactly once per start;
//! - nothing is lost silently: damaged parts are copied to quarantine, logged, and named in [`RecoveredSource`].
//!
//! The journal knows ids, kinds and sequences. It never decodes a payload, never talks to the network, and has no
//! thread of its own. To add a record kind, add it to [`RecordKind`] and say in `recovery` what it means.
//!
//! Folder: `instance` (the id of this installation), `lock`, `<boot>-<worker>-<number>.seg`, `quarantine/`.
//!
//! Write pattern: records gather in one buffer per worker and reach the file with one `write` per flush, in place, on
//! the worker's own thread. A request costs two writes (`ADMIT` before the upstream call, `SETTLE` before the terminal
//! chunk), or fewer when one scheduler turn flushes for several requests ([`Flush::Later`]). No allocation per record
//! except the payload that the caller encodes; one uncontended lock per admission and two per settlement.
#![forbid(unsafe_code)]

mod error;
mod folder;
mod journal;
mod options;
mod record;
mod recovery;
mod segment;
mod source;
mod storage;
mod worker;

#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod journal_tests;
#[cfg(test)]
mod simulated;

pub use error::JournalError;
pub use journal::{Journal, JournalStats};
pub use options::{Durability, Flush, JournalOptions};
pub use record::{MAX_RECORD_LENGTH, RecordKind};
pub use recovery::{InterruptedRequest, RecoveredSource, Recovery};
pub use source::{SettledRecord, SourceStatus};
pub use worker::WorkerJournal;
