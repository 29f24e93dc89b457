//! Taking possession of a journal folder.
//!
//! Guarantee: at most one process has it, told by an advisory lock that the kernel drops with the process, so a lock
//! left by a crash is no obstacle. The instance id is made once and then never changes; a folder whose id cannot be
//! read is refused, since a new id would orphan what the old one has not shipped.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use uuid::Uuid;

use crate::{
    Durability, JournalError,
    storage::{FileStorage, replace_file},
};

/// Holds the id of the installation.
const INSTANCE: &str = "instance";

/// Creates the folder if need be, locks it, and reads or makes its instance id.
pub(crate) fn open_folder(path: &Path) -> Result<(FileStorage, Uuid), JournalError> {
    let unusable = |source| JournalError::Folder { path: path.to_owned(), source };
    fs::create_dir_all(path).map_err(unusable)?;
    let lock = take_lock(path)?;
    let instance = match read_instance(path)? {
        Some(instance) => instance,
        None => create_instance(path).map_err(unusable)?,
    };
    Ok((FileStorage::new(path.to_owned(), lock), instance))
}

/// Locks a folder that is a journal already; anything else is refused and left as it is.
pub(crate) fn open_existing_folder(path: &Path) -> Result<(FileStorage, Uuid), JournalError> {
    let instance = read_instance(path)?.ok_or_else(|| JournalError::NoJournal { path: path.to_owned() })?;
    let lock = take_lock(path)?;
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

fn read_instance(path: &Path) -> Result<Option<Uuid>, JournalError> {
    match fs::read_to_string(path.join(INSTANCE)) {
        Ok(text) => match Uuid::try_parse(text.trim()) {
            Ok(instance) => Ok(Some(instance)),
            Err(_) => Err(JournalError::InstanceId { path: path.join(INSTANCE) }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(JournalError::Folder { path: path.to_owned(), source }),
    }
}

fn create_instance(path: &Path) -> io::Result<Uuid> {
    let instance = Uuid::new_v4();
    replace_file(path, INSTANCE, format!("{instance}\n").as_bytes(), Durability::Host)?;
    Ok(instance)
}
