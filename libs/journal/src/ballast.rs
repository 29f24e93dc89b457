//! Room for what is open when somebody else has filled the disk to its last byte.
//!
//! The ballast is a file as large as the low-water mark, of blocks that really belong to it. The first write that finds
//! no room gives it back and is repeated at once: the settlements of what is open go where it was.
//!
//! Guarantees: nothing is admitted from before it is given back until it is whole again. It is made only where as much
//! as the low-water mark is left beside it, so it never takes the room of what is to be written.
//!
//! What happens at each failure:
//! - it cannot be made: nothing is admitted; every look at the free space tries again;
//! - it cannot be given back, or somebody takes that room as well: the write fails, and its records wait in memory;
//! - somebody deletes it: nothing is admitted until it was made again.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::{fs::FallocateFlags, io::Errno};

use crate::storage::Storage;

const BLOCK_BYTES: usize = 1024 * 1024;

pub(crate) struct Ballast {
    bytes: u64,
    is_whole: AtomicBool,
    /// Held while the file is made or removed.
    changing: Mutex<()>,
}

impl Ballast {
    /// The one that an earlier process has left is taken over, if it has the right size.
    pub fn take_over(bytes: u64, storage: &dyn Storage) -> Self {
        let ballast = Self { bytes, is_whole: AtomicBool::new(false), changing: Mutex::default() };
        let is_there = matches!(storage.ballast_bytes(), Ok(found) if found == bytes);
        // Copied from elsewhere it may be a mere hole.
        if is_there && let Err(error) = ballast.make(storage) {
            tracing::warn!(%error, "the ballast of the journal cannot be taken over and is made anew");
        }
        ballast
    }

    pub fn is_whole(&self) -> bool {
        self.is_whole.load(Ordering::Relaxed)
    }

    /// How much room it takes when it is made.
    pub fn missing_bytes(&self) -> u64 {
        if self.is_whole() { 0 } else { self.bytes }
    }

    /// Notices when somebody has deleted it.
    pub fn check(&self, storage: &dyn Storage) -> io::Result<()> {
        let _changing = self.changing();
        if self.is_whole() && storage.ballast_bytes()? != self.bytes {
            self.is_whole.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    pub fn make(&self, storage: &dyn Storage) -> io::Result<()> {
        let _changing = self.changing();
        storage.make_ballast(self.bytes)?;
        self.is_whole.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// To be called when a write has found no room. True if there is more of it now.
    pub fn give_back(&self, storage: &dyn Storage) -> bool {
        let _changing = self.changing();
        // First: nobody is to be let in while it goes.
        self.is_whole.store(false, Ordering::Relaxed);
        if matches!(storage.ballast_bytes(), Ok(0)) {
            return false;
        }
        match storage.remove_ballast() {
            Ok(()) => {
                tracing::error!(bytes = self.bytes, "the disk of the journal is full: its ballast is given back");
                true
            }
            Err(error) => {
                tracing::error!(%error, "the disk of the journal is full, and its ballast cannot be given back");
                false
            }
        }
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a file of so many bytes whose blocks are taken from the disk; what cannot be made whole is not there afterwards.
/// A file of this size is trusted where the file system cannot be asked to allocate.
pub(crate) fn allocate(path: &Path, bytes: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let allocated = allocate_in(&file, bytes);
    if allocated.is_err() {
        fs::remove_file(path)?;
    }
    allocated
}

fn allocate_in(file: &File, bytes: u64) -> io::Result<()> {
    let length = file.metadata()?.len();
    if length > bytes {
        file.set_len(bytes)?;
    }
    // The length comes last: a file that is long enough is allocated.
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) if length < bytes => write_noise(file, bytes),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
        allocated => Ok(allocated?),
    }
}

/// A file system that cannot allocate may compress: zeros would take no room.
fn write_noise(mut file: &File, bytes: u64) -> io::Result<()> {
    file.set_len(0)?;
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut left = bytes;
    while left > 0 {
        let length = left.min(BLOCK_BYTES as u64);
        file.write_all(&noise(&mut state, length))?;
        left -= length;
    }
    file.sync_data()
}

/// Bytes that cannot be made smaller (xorshift).
fn noise(state: &mut u64, length: u64) -> Vec<u8> {
    let bytes = (0..length.div_ceil(8)).flat_map(|_| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        state.to_le_bytes()
    });
    bytes.take(usize::try_from(length).unwrap_or(usize::MAX)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    const BYTES: u64 = 3 * 1024 * 1024 + 5;

    fn taken_from_the_disk(path: &Path) -> u64 {
        fs::metadata(path).unwrap().blocks() * 512
    }

    #[test]
    fn what_is_allocated_belongs_to_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ballast");
        // A copy that is a mere hole, and one that is too large.
        File::create(&path).unwrap().set_len(BYTES).unwrap();
        allocate(&path, BYTES).unwrap();
        assert!(taken_from_the_disk(&path) >= BYTES);
        allocate(&path, BYTES / 2).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), BYTES / 2);
    }

    #[test]
    fn noise_takes_its_place_where_nothing_can_be_allocated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ballast");
        write_noise(&File::create(&path).unwrap(), BYTES).unwrap();
        let content = fs::read(&path).unwrap();
        assert_eq!(content.len() as u64, BYTES);
        let zeros = content.iter().filter(|byte| **byte == 0).count();
        assert!(zeros < content.len() / 100, "{zeros}");
    }

    #[test]
    fn what_cannot_be_made_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ballast");
        assert!(allocate(&path, 1 << 60).is_err());
        assert!(!path.exists());
    }
}
