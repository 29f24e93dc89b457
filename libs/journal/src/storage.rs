//! What the journal needs of a disk, and the real one.
//!
//! Guarantee: what `append` confirmed is in the file whatever becomes of this process; a created, renamed or removed
//! name is on disk once the call returns, because the folder is synced. After a failed `append` the file may hold any
//! prefix of the bytes, and its handle is never used again.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

pub(crate) trait Storage: Send + Sync + 'static {
    /// The names of all files that end like a segment, in no particular order.
    fn list_segments(&self) -> io::Result<Vec<String>>;
    /// Creates an empty file; fails if there is one.
    fn create(&self, name: &str) -> io::Result<Box<dyn SegmentFile>>;
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// Copies the file to quarantine, where nothing ever deletes it; does nothing if it is there already.
    fn quarantine(&self, name: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    fn free_bytes(&self) -> io::Result<u64>;
}

pub(crate) trait SegmentFile: Send {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// A folder that this process has for itself: the lock is held as long as this lives.
pub(crate) struct FileStorage {
    folder: PathBuf,
    _lock: File,
}

impl FileStorage {
    pub fn new(folder: PathBuf, lock: File) -> Self {
        Self { folder, _lock: lock }
    }
}

impl Storage for FileStorage {
    fn list_segments(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            names.extend(entry?.file_name().into_string().ok().filter(|name| name.ends_with(".seg")));
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(self.folder.join(name))?;
        sync_folder(&self.folder)?;
        Ok(Box::new(file))
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.folder.join(name))
    }

    fn quarantine(&self, name: &str) -> io::Result<()> {
        let quarantine = self.folder.join("quarantine");
        fs::create_dir_all(&quarantine)?;
        let target = quarantine.join(name);
        if target.try_exists()? {
            return Ok(());
        }
        // Copied under another name first, so that a crash leaves no half copy that looks whole.
        let partial = quarantine.join(format!("{name}.partial"));
        fs::copy(self.folder.join(name), &partial)?;
        File::open(&partial)?.sync_all()?;
        fs::rename(&partial, &target)?;
        sync_folder(&quarantine)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.folder.join(name)) {
            // Removed by an earlier call whose sync failed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        sync_folder(&self.folder)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let space = rustix::fs::statvfs(&self.folder)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }
}

impl SegmentFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }
}

/// Makes names created in or removed from `folder` durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
