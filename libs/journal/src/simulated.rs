//! A disk for tests that keeps files in memory and fails on demand.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use crate::storage::{SegmentFile, Storage};

/// How the next append goes wrong.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// How many bytes still reach the file.
    pub written: usize,
    pub kind: io::ErrorKind,
    /// The process ends there: nothing is written any more.
    pub fatal: bool,
}

#[derive(Default)]
struct Disk {
    files: BTreeMap<String, Vec<u8>>,
    quarantined: BTreeMap<String, Vec<u8>>,
    fault: Option<Fault>,
    dead: bool,
    refuses_files: bool,
    free: u64,
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

    pub fn fail_next_append(&self, fault: Fault) {
        self.0.lock().unwrap().fault = Some(fault);
    }

    pub fn refuse_new_files(&self, refuse: bool) {
        self.0.lock().unwrap().refuses_files = refuse;
    }

    /// A new process finds the disk as the last one left it.
    pub fn restart(&self) {
        let mut disk = self.0.lock().unwrap();
        disk.dead = false;
        disk.fault = None;
    }

    pub fn files(&self) -> Vec<String> {
        self.0.lock().unwrap().files.keys().cloned().collect()
    }

    pub fn quarantined(&self) -> Vec<String> {
        self.0.lock().unwrap().quarantined.keys().cloned().collect()
    }

    pub fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        change(self.0.lock().unwrap().files.get_mut(name).unwrap());
    }
}

struct SimulatedFile {
    disk: SimulatedStorage,
    name: String,
}

impl Storage for SimulatedStorage {
    fn list_segments(&self) -> io::Result<Vec<String>> {
        Ok(self.files())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        let mut disk = self.0.lock().unwrap();
        if disk.dead || disk.refuses_files {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let previous = disk.files.insert(name.to_owned(), Vec::new());
        assert!(previous.is_none(), "a segment was created twice");
        Ok(Box::new(SimulatedFile { disk: self.clone(), name: name.to_owned() }))
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.0.lock().unwrap().files.get(name).cloned().ok_or(io::ErrorKind::NotFound.into())
    }

    fn quarantine(&self, name: &str) -> io::Result<()> {
        let content = self.read(name)?;
        self.0.lock().unwrap().quarantined.insert(name.to_owned(), content);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.lock().unwrap().files.remove(name);
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().free)
    }
}

impl SegmentFile for SimulatedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.0.lock().unwrap();
        if disk.dead {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let fault = disk.fault.take();
        let written = fault.map_or(bytes.len(), |fault| fault.written.min(bytes.len().saturating_sub(1)));
        disk.files.get_mut(&self.name).unwrap().extend_from_slice(&bytes[..written]);
        match fault {
            None => Ok(()),
            Some(fault) => {
                disk.dead = fault.fatal;
                Err(fault.kind.into())
            }
        }
    }
}
