//! Taking possession of a journal folder.
//!
//! Guarantee: at most one process has it, told by an advisory lock that the kernel drops with the process, so a lock
//! left by a crash is no obstacle. The instance id is made once and then never changes; a folder whose id cannot be
//! read is refused, since a new id would orphan what the old one has not shipped.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use uuid::Uuid;

use crate::{
    JournalError,
    storage::{FileStorage, sync_folder},
};

/// Creates the folder if need be, locks it, and reads or makes its instance id.
pub(crate) fn open_folder(path: &Path) -> Result<(FileStorage, Uuid), JournalError> {
    let unusable = |source| JournalError::Folder { path: path.to_owned(), source };
    fs::create_dir_all(path).map_err(unusable)?;
    let lock = take_lock(path)?;
    let instance = match fs::read_to_string(path.join("instance")) {
        Ok(text) => {
            Uuid::try_parse(text.trim()).map_err(|_| JournalError::InstanceId { path: path.join("instance") })?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => create_instance(path).map_err(unusable)?,
        Err(error) => return Err(unusable(error)),
    };
    Ok((FileStorage::new(path.to_owned(), lock), instance))
}

fn take_lock(path: &Path) -> Result<File, JournalError> {
    let unusable = |source| JournalError::Folder { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let lock = options.open(path.join("lock")).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

/// Written under another name and renamed, so that the file is either absent or whole.
fn create_instance(path: &Path) -> io::Result<Uuid> {
    let instance = Uuid::new_v4();
    let partial = path.join("instance.partial");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    writeln!(file, "{instance}")?;
    file.sync_all()?;
    fs::rename(&partial, path.join("instance"))?;
    sync_folder(path)?;
    Ok(instance)
}
