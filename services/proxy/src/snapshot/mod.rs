//! The copy of the state on disk, from which a proxy starts when it can ask nobody.
//!
//! One file, `state.log`, mode 0600, locked by the process that writes it: a header, then frames with a checksum each, in
//! the order in which values were taken over ([`format`]). Values are added as they come; a checkpoint each minute says how
//! far the owners' revocations are in the file and when that was last confirmed. When half of the file is of no use any
//! more it is written anew beside the old one, and takes its place by renaming.
//!
//! Guarantees at each failure. What a checkpoint claims stands before it in the file, so any beginning of a file is true:
//! a torn or damaged frame ends it, and what follows is cut off at the next start. The age of the last checkpoint counts
//! against `proxy.keys.max_unconfirmed`: an old copy opens nothing that a running proxy would refuse. If the disk fails or
//! is too slow, the copy is given up and removed; requests never wait for it.

mod compaction;
mod format;
mod reading;
mod recorder;
#[cfg(test)]
mod tests;

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use maas_events::Bucket;
use maas_runtime::process::Process;

pub use recorder::Recorder;

use crate::{revocation::Reached, state::watch::Applier};
use format::Checkpoint;

const FILE: &str = "state.log";

#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("{what} {path}", path = path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("another process writes the copy of the state {}: give each proxy a folder of its own", .0.display())]
    InUse(PathBuf),
}

/// What a start goes on from.
#[derive(Debug, Default)]
pub struct Resumed {
    /// The owners whose revocations are in the state.
    pub reached: Vec<Reached>,
    /// Buckets that were complete.
    pub complete: Vec<Bucket>,
}

/// Whether there is a copy to start from.
pub fn exists(folder: &Path) -> bool {
    std::fs::metadata(folder.join(FILE)).is_ok_and(|file| file.len() > format::HEADER.len() as u64)
}

/// Takes over what the file holds, and writes into it from now on. Without a folder that can be written there is no copy:
/// that is no reason not to start.
pub async fn resume(folder: PathBuf, applier: &std::sync::Arc<Applier>, process: &Process) -> Resumed {
    let reader = applier.clone();
    let opened = tokio::task::spawn_blocking(move || open_and_read(&folder, &reader)).await;
    match opened {
        Ok(Ok((file, checkpoint))) => {
            applier.record_into(Recorder::spawn(file, applier, process));
            checkpoint.map(resumed).unwrap_or_default()
        }
        Ok(Err(error)) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(error = %error, cause, "the state is not copied to disk");
            Resumed::default()
        }
        Err(error) => {
            tracing::error!(error = %error, "the copy of the state cannot be read");
            Resumed::default()
        }
    }
}

/// A file that is open for writing at its end, and where it is.
struct OpenFile {
    path: PathBuf,
    file: File,
    length: u64,
}

fn open_and_read(folder: &Path, applier: &Applier) -> Result<(OpenFile, Option<Checkpoint>), SnapshotError> {
    let path = folder.join(FILE);
    let failed = |what| {
        let path = path.clone();
        move |source| SnapshotError::File { what, path, source }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("cannot create the folder of"))?;
    let file = open(&path).map_err(failed("cannot open"))?;
    file.try_lock().map_err(|_| SnapshotError::InUse(path.clone()))?;
    let read = reading::read(&file, applier).map_err(failed("cannot read"))?;
    // What is not whole would hide everything that is written behind it.
    file.set_len(read.length).map_err(failed("cannot shorten"))?;
    if let Some(checkpoint) = &read.checkpoint {
        let (values, owners) = (read.values, checkpoint.owners.len());
        tracing::info!(values, owners, "the state goes on from its copy on disk");
    }
    Ok((OpenFile { path, file, length: read.length }, read.checkpoint))
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

fn resumed(checkpoint: Checkpoint) -> Resumed {
    Resumed {
        reached: checkpoint.owners.iter().filter_map(format::reached).collect(),
        complete: checkpoint.complete.iter().filter_map(|name| Bucket::parse(name)).collect(),
    }
}
