//! What can go wrong, by what the caller does about it.

use std::{io, path::PathBuf};

use maas_events::SourceId;
use maas_types::EventId;

use crate::MAX_RECORD_LENGTH;

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the journal `{path}` is in use by another process")]
    Locked { path: PathBuf },
    #[error("the journal folder `{path}` cannot be used")]
    Folder { path: PathBuf, source: io::Error },
    #[error("`{path}` holds no instance id; restore it, or move the whole journal away")]
    InstanceId { path: PathBuf },
    #[error("`{path}` is not a journal: it has no `instance` file")]
    NoJournal { path: PathBuf },
    /// Nothing was written; encode it smaller.
    #[error("a record of {length} bytes exceeds the {MAX_RECORD_LENGTH} bytes of a journal record")]
    RecordTooLarge { length: usize },
    /// Admitted never, or settled already. Nothing was written.
    #[error("request {event_id} is not open")]
    NotOpen { event_id: EventId },
    #[error("request {event_id} is open already")]
    AlreadyOpen { event_id: EventId },
    /// Stop admitting. A settlement that met this is kept in memory and written by the next flush that succeeds.
    #[error("no space is left for the journal")]
    Full { source: io::Error },
    /// Stop admitting. A settlement that met this is kept in memory and written by the next flush that succeeds.
    #[error("the journal cannot be written")]
    Failed { source: io::Error },
    /// A written record could not be made safe against the end of the machine. It is kept in memory and written again,
    /// elsewhere, by the next flush.
    #[error("the journal cannot be synced")]
    NotSynced,
    /// Segments that nobody needs any more stay for now.
    #[error("the journal cannot be tidied")]
    Untidy { source: io::Error },
    #[error("the segment `{segment}` cannot be read")]
    Unreadable { segment: String, source: io::Error },
    #[error("the segment `{segment}` has format version {version}, which a newer release wrote")]
    UnknownFormat { segment: String, version: u16 },
    #[error("worker {worker} has its journal already")]
    WorkerTaken { worker: u32 },
    #[error("the journal holds nothing of source {source_id}")]
    UnknownSource { source_id: SourceId },
}

impl JournalError {
    pub(crate) fn from_write(error: io::Error) -> Self {
        if is_full(&error) { Self::Full { source: error } } else { Self::Failed { source: error } }
    }
}

/// Whether it is room that a write has not found.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
