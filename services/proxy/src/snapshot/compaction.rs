//! Writing the file anew, with what is still in force.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, BufWriter, Seek as _, SeekFrom, Write as _},
};

use bytes::Bytes;
use maas_events::Bucket;

use super::{
    OpenFile,
    format::{Checkpoint, FRAME_BYTES, Frame, HEADER, RawFrame, write_checkpoint, write_values},
    open,
};
use crate::state::watch::Applier;

/// Reads the old file up to its end, which the checkpoint is at, and leaves out what newer values have replaced. The new
/// file is whole on the disk before it takes the old one's place.
pub(super) fn compact(old: &OpenFile, applier: &Applier, checkpoint: &Checkpoint) -> io::Result<OpenFile> {
    let beside = old.path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = open(&beside)?;
    file.try_lock().map_err(io::Error::from)?;
    let mut to = Packed { to: BufWriter::with_capacity(FRAME_BYTES, &file), length: 0, waiting: BTreeMap::new() };
    to.to.write_all(&HEADER)?;
    to.length = HEADER.len() as u64;
    copy(&old.file, applier, &mut to)?;
    let length = to.finish(checkpoint)?;
    file.sync_all()?;
    fs::rename(&beside, &old.path)?;
    if let Some(folder) = old.path.parent() {
        File::open(folder)?.sync_all()?;
    }
    tracing::debug!(bytes.before = old.length, bytes.after = length, "the copy of the state was written anew");
    Ok(OpenFile { path: old.path.clone(), file, length })
}

fn copy(old: &File, applier: &Applier, to: &mut Packed<'_>) -> io::Result<()> {
    let mut from = BufReader::with_capacity(FRAME_BYTES, old);
    from.seek(SeekFrom::Start(HEADER.len() as u64))?;
    while let Some((frame, _)) = RawFrame::read(&mut from)? {
        let Some(Frame::Values(bucket, values)) = frame.parse() else { continue };
        for value in values {
            if applier.is_wanted(bucket, &value) {
                to.add(bucket, value)?;
            }
        }
    }
    Ok(())
}

/// Values in frames of a good size.
struct Packed<'a> {
    to: BufWriter<&'a File>,
    length: u64,
    waiting: BTreeMap<Bucket, (Vec<Bytes>, usize)>,
}

impl Packed<'_> {
    fn add(&mut self, bucket: Bucket, value: Bytes) -> io::Result<()> {
        let (values, bytes) = self.waiting.entry(bucket).or_default();
        *bytes += value.len();
        values.push(value);
        if *bytes >= FRAME_BYTES {
            self.length += write_values(&mut self.to, bucket, values)?;
            (*values, *bytes) = (Vec::new(), 0);
        }
        Ok(())
    }

    fn finish(mut self, checkpoint: &Checkpoint) -> io::Result<u64> {
        for (bucket, (values, _)) in std::mem::take(&mut self.waiting) {
            self.length += write_values(&mut self.to, bucket, &values)?;
        }
        self.length += write_checkpoint(&mut self.to, checkpoint)?;
        self.to.flush()?;
        Ok(self.length)
    }
}
