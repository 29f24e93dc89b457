//! A disk for tests that keeps files in memory, fails on demand, and forgets what was not synced when the machine ends.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex},
};

use maas_types::Timestamp;

use crate::{
    Durability,
    storage::{FileFacts, SegmentFile, Storage},
};

/// How the next append goes wrong.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// How many bytes still reach the file.
    pub written: usize,
    pub kind: io::ErrorKind,
    /// The process ends there: nothing is written any more.
    pub fatal: bool,
}

/// What else can go wrong, once each time it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    List,
    Create,
    Read,
    Sync,
    Remove,
    ReadWatermarks,
    WriteWatermarks,
    MakeBallast,
    RemoveBallast,
}

#[derive(Default, Clone)]
struct File {
    content: Vec<u8>,
    /// So many bytes survive the machine.
    synced: usize,
}

#[derive(Default)]
struct Disk {
    files: BTreeMap<String, File>,
    quarantined: BTreeMap<String, Vec<u8>>,
    watermarks: Option<Vec<u8>>,
    synced_watermarks: Option<Vec<u8>>,
    fault: Option<Fault>,
    failing: BTreeSet<Operation>,
    dead: bool,
    refuses_files: bool,
    free: u64,
    ballast: u64,
}

/// Clones share the disk.
#[derive(Clone, Default)]
pub struct SimulatedStorage(Arc<Mutex<Disk>>);

impl SimulatedStorage {
    pub fn with_free_bytes(free: u64) -> Self {
        let storage = Self::default();
        storage.set_free_bytes(free);
        storage
    }

    pub fn set_free_bytes(&self, free: u64) {
        self.0.lock().unwrap().free = free;
    }

    /// Somebody else takes all room but so much.
    pub fn fill(&self, left: u64) {
        let mut disk = self.0.lock().unwrap();
        disk.free = disk.free.min(left);
    }

    pub fn ballast(&self) -> u64 {
        self.0.lock().unwrap().ballast
    }

    /// Whether nothing is going to fail but for want of room.
    pub fn is_sound(&self) -> bool {
        let disk = self.0.lock().unwrap();
        disk.fault.is_none() && disk.failing.is_empty() && !disk.dead && !disk.refuses_files
    }

    pub fn fail_next_append(&self, fault: Fault) {
        self.0.lock().unwrap().fault = Some(fault);
    }

    pub fn fail_next(&self, operation: Operation) {
        self.0.lock().unwrap().failing.insert(operation);
    }

    pub fn refuse_new_files(&self, refuse: bool) {
        self.0.lock().unwrap().refuses_files = refuse;
    }

    /// A new process finds the disk as the last one left it.
    pub fn restart(&self) {
        let mut disk = self.0.lock().unwrap();
        disk.dead = false;
        disk.fault = None;
        disk.failing.clear();
    }

    /// The machine ends: of what was not synced, `keep` says how much is left of each file, and whether the rest is there
    /// as zeros.
    pub fn forget_unsynced(&self, mut keep: impl FnMut(usize) -> (usize, bool)) {
        let mut disk = self.0.lock().unwrap();
        for file in disk.files.values_mut() {
            let (kept, as_zeros) = keep(file.content.len() - file.synced);
            let end = file.content.len();
            file.content.truncate(file.synced + kept);
            if as_zeros {
                file.content.resize(end, 0);
            }
            file.synced = file.content.len();
        }
        if keep(1).0 == 0 {
            disk.watermarks = disk.synced_watermarks.clone();
        }
    }

    pub fn files(&self) -> Vec<String> {
        self.0.lock().unwrap().files.keys().cloned().collect()
    }

    pub fn quarantined(&self) -> Vec<String> {
        self.0.lock().unwrap().quarantined.keys().cloned().collect()
    }

    pub fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.0.lock().unwrap().files.get_mut(name).unwrap().content);
    }

    pub fn lose_watermarks(&self) {
        self.0.lock().unwrap().watermarks = None;
    }
}

impl Disk {
    fn attempt(&mut self, operation: Operation) -> io::Result<()> {
        if self.dead {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.failing.remove(&operation) { Err(io::Error::other("the disk fails")) } else { Ok(()) }
    }

    fn file(&mut self, name: &str) -> io::Result<&mut File> {
        self.files.get_mut(name).ok_or(io::ErrorKind::NotFound.into())
    }

    fn remove(&mut self, name: &str) {
        let removed = self.files.remove(name);
        self.free += removed.map_or(0, |file| file.content.len() as u64);
    }

    /// A system may drop what it could not write.
    fn sync(&mut self, name: &str) -> io::Result<()> {
        let attempted = self.attempt(Operation::Sync);
        let file = self.file(name)?;
        match attempted {
            Ok(()) => file.synced = file.content.len(),
            Err(_) => file.content.truncate(file.synced),
        }
        attempted
    }
}

struct SimulatedFile {
    disk: SimulatedStorage,
    name: String,
}

impl Storage for SimulatedStorage {
    fn list_segments(&self) -> io::Result<Vec<String>> {
        self.0.lock().unwrap().attempt(Operation::List)?;
        Ok(self.files())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        let mut disk = self.0.lock().unwrap();
        disk.attempt(Operation::Create)?;
        if disk.refuses_files {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let previous = disk.files.insert(name.to_owned(), File::default());
        assert!(previous.is_none(), "a segment was created twice");
        Ok(Arc::new(SimulatedFile { disk: self.clone(), name: name.to_owned() }))
    }

    fn facts(&self, name: &str) -> io::Result<FileFacts> {
        let length = self.0.lock().unwrap().file(name)?.content.len() as u64;
        Ok(FileFacts { length, written_at: Timestamp::from_unix_ms(1_700_000_000_000) })
    }

    fn read(&self, name: &str, offset: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut disk = self.0.lock().unwrap();
        disk.attempt(Operation::Read)?;
        let content = &disk.file(name)?.content;
        let start = content.len().min(usize::try_from(offset).unwrap());
        let end = content.len().min(start.saturating_add(most));
        Ok(content[start..end].to_vec())
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.0.lock().unwrap().sync(name)
    }

    fn quarantine(&self, name: &str) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        let content = disk.file(name)?.content.clone();
        disk.quarantined.insert(name.to_owned(), content);
        Ok(())
    }

    fn remove(&self, names: &[String]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        // Fails in the middle: some are gone.
        let (first, rest) = names.split_at(names.len() / 2);
        first.iter().for_each(|name| disk.remove(name));
        disk.attempt(Operation::Remove)?;
        rest.iter().for_each(|name| disk.remove(name));
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().free)
    }

    fn ballast_bytes(&self) -> io::Result<u64> {
        Ok(self.ballast())
    }

    fn make_ballast(&self, bytes: u64) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        let free = disk.free + disk.ballast;
        let attempted = disk.attempt(Operation::MakeBallast);
        let made = if attempted.is_ok() && free >= bytes { bytes } else { 0 };
        (disk.ballast, disk.free) = (made, free - made);
        attempted?;
        if made == bytes { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    fn remove_ballast(&self) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.attempt(Operation::RemoveBallast)?;
        disk.free += std::mem::take(&mut disk.ballast);
        Ok(())
    }

    fn read_watermarks(&self) -> io::Result<Option<Vec<u8>>> {
        let mut disk = self.0.lock().unwrap();
        disk.attempt(Operation::ReadWatermarks)?;
        Ok(disk.watermarks.clone())
    }

    fn write_watermarks(&self, content: &[u8], durability: Durability) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.attempt(Operation::WriteWatermarks)?;
        disk.watermarks = Some(content.to_vec());
        if durability == Durability::Host {
            disk.synced_watermarks = disk.watermarks.clone();
        }
        Ok(())
    }
}

impl SegmentFile for SimulatedFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.0.lock().unwrap();
        if disk.dead {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let fault = disk.fault.take();
        let written = fault.map_or(bytes.len(), |fault| fault.written.min(bytes.len().saturating_sub(1)));
        let fitting = written.min(usize::try_from(disk.free).unwrap_or(usize::MAX));
        disk.file(&self.name)?.content.extend_from_slice(&bytes[..fitting]);
        disk.free -= fitting as u64;
        match fault {
            None if fitting < written => Err(io::ErrorKind::StorageFull.into()),
            None => Ok(()),
            Some(fault) => {
                disk.dead = fault.fatal;
                Err(fault.kind.into())
            }
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.0.lock().unwrap().sync(&self.name)
    }
}
