//! What the journal needs of a disk, and the real one.
//!
//! Guarantees: what `append` confirmed is in the file whatever becomes of this process, and what `sync` confirmed is
//! there whatever becomes of the machine; a created, renamed or removed name is on disk once the call returns, because
//! the folder is synced. After a failed `append` the file may hold any prefix of the bytes, and after a failed `sync`
//! any part of what was not synced before; its handle is never used again.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use maas_types::Timestamp;

use crate::{Durability, ballast};

/// Where the watermarks are kept, beside the segments.
const WATERMARKS: &str = "watermarks";
/// Room that is kept for a full disk, see [`crate::ballast`].
const BALLAST: &str = "ballast";

/// What is known of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileFacts {
    pub length: u64,
    /// When it was last written to.
    pub written_at: Timestamp,
}

pub(crate) trait Storage: Send + Sync + 'static {
    /// The names of all files that end like a segment, in no particular order.
    fn list_segments(&self) -> io::Result<Vec<String>>;
    /// Creates an empty file; fails if there is one.
    fn create(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>>;
    fn facts(&self, name: &str) -> io::Result<FileFacts>;
    /// Up to `most` bytes from `offset` on; fewer only at the end of the file.
    fn read(&self, name: &str, offset: u64, most: usize) -> io::Result<Vec<u8>>;
    /// The same as [`SegmentFile::sync`] for a file that an earlier process has written.
    fn sync(&self, name: &str) -> io::Result<()>;
    /// Copies the file to quarantine, where nothing ever deletes it; does nothing if it is there already.
    fn quarantine(&self, name: &str) -> io::Result<()>;
    /// Removes the files, in this order; one that is gone already is no failure.
    fn remove(&self, names: &[String]) -> io::Result<()>;
    fn free_bytes(&self) -> io::Result<u64>;
    /// How large the ballast is; 0 if there is none.
    fn ballast_bytes(&self) -> io::Result<u64>;
    /// Takes so much room from the disk; what cannot be made whole is not there afterwards.
    fn make_ballast(&self, bytes: u64) -> io::Result<()>;
    fn remove_ballast(&self) -> io::Result<()>;
    /// `None` if they were never written.
    fn read_watermarks(&self) -> io::Result<Option<Vec<u8>>>;
    /// Replaces them as a whole: afterwards either the old or the new content is there, or, on a full disk, neither.
    fn write_watermarks(&self, content: &[u8], durability: Durability) -> io::Result<()>;
}

pub(crate) trait SegmentFile: Send + Sync {
    fn append(&self, bytes: &[u8]) -> io::Result<()>;
    /// Blocks until everything appended so far is on the disk. Not to be called again once it has failed: the system
    /// may have dropped what it could not write, and would report success.
    fn sync(&self) -> io::Result<()>;
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

    fn create(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(self.folder.join(name))?;
        sync_folder(&self.folder)?;
        Ok(Arc::new(file))
    }

    fn facts(&self, name: &str) -> io::Result<FileFacts> {
        let metadata = fs::metadata(self.folder.join(name))?;
        let modified: SystemTime = metadata.modified()?;
        let since_epoch = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let written_at = Timestamp::from_unix_ms(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX));
        Ok(FileFacts { length: metadata.len(), written_at })
    }

    fn read(&self, name: &str, offset: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.folder.join(name))?;
        file.seek(SeekFrom::Start(offset))?;
        let left = file.metadata()?.len().saturating_sub(offset);
        let mut bytes = Vec::with_capacity(usize::try_from(left).unwrap_or(usize::MAX).min(most));
        file.take(most as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        File::open(self.folder.join(name))?.sync_data()
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

    fn remove(&self, names: &[String]) -> io::Result<()> {
        for name in names {
            match fs::remove_file(self.folder.join(name)) {
                // Removed by an earlier call whose sync failed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        sync_folder(&self.folder)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let space = rustix::fs::statvfs(&self.folder)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    fn ballast_bytes(&self) -> io::Result<u64> {
        match fs::metadata(self.folder.join(BALLAST)) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn make_ballast(&self, bytes: u64) -> io::Result<()> {
        ballast::allocate(&self.folder.join(BALLAST), bytes)
    }

    fn remove_ballast(&self) -> io::Result<()> {
        fs::remove_file(self.folder.join(BALLAST))
    }

    fn read_watermarks(&self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.folder.join(WATERMARKS)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write_watermarks(&self, content: &[u8], durability: Durability) -> io::Result<()> {
        match replace_file(&self.folder, WATERMARKS, content, durability) {
            // In place it needs no room, which deleting under it will make. A crash in the middle leaves what has no
            // right checksum, and counts for nothing.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                let file =
                    OpenOptions::new().write(true).create(true).truncate(false).open(self.folder.join(WATERMARKS))?;
                file.append(content)?;
                file.set_len(content.len() as u64)?;
                file.sync()
            }
            replaced => replaced,
        }
    }
}

impl SegmentFile for File {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = self;
        file.write_all(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Written under another name and renamed, so that the file is either as it was or whole.
pub(crate) fn replace_file(folder: &Path, name: &str, content: &[u8], durability: Durability) -> io::Result<()> {
    let partial = folder.join(format!("{name}.partial"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(content)?;
    if durability == Durability::Host {
        file.sync_all()?;
    }
    fs::rename(&partial, folder.join(name))?;
    match durability {
        Durability::Host => sync_folder(folder),
        Durability::Process => Ok(()),
    }
}

/// Makes names created in or removed from `folder` durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
