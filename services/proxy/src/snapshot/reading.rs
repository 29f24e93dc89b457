//! Reading the file at the start: one thread at a time reads, all of them decode.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read as _, Seek as _, SeekFrom},
    num::NonZero,
    sync::{Mutex, PoisonError},
    thread,
};

use bytes::Bytes;
use maas_events::Bucket;

use super::format::{Checkpoint, Frame, HEADER, RawFrame};
use crate::state::watch::Applier;

const READ_AHEAD: usize = 1024 * 1024;
/// Values that are taken over together: each time copies the maps they go into.
const TOGETHER: usize = 128 * 1024;
const MOST_THREADS: usize = 8;

/// What was found.
#[derive(Debug, Default)]
pub struct Read {
    /// The last one.
    pub checkpoint: Option<Checkpoint>,
    /// Of what is whole; everything behind it is of no use.
    pub length: u64,
    pub values: u64,
}

struct Source<'a> {
    reader: BufReader<&'a File>,
    read: Read,
    ended: bool,
}

/// Takes over everything that is whole. An empty file, and one of another version, hold nothing.
pub fn read(file: &File, applier: &Applier) -> io::Result<Read> {
    let mut reader = BufReader::with_capacity(READ_AHEAD, file);
    reader.seek(SeekFrom::Start(0))?;
    let mut header = [0; HEADER.len()];
    match reader.read_exact(&mut header) {
        Ok(()) if header == HEADER => {}
        Ok(()) => {
            tracing::warn!("the copy of the state is of another version: it begins anew");
            return Ok(Read::default());
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Read::default()),
        Err(error) => return Err(error),
    }
    let read = Read { length: HEADER.len() as u64, ..Read::default() };
    let source = Mutex::new(Source { reader, read, ended: false });
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..threads).map(|_| scope.spawn(|| take_over(&source, applier))).collect();
        let ended = readers.into_iter().map(|reader| {
            reader.join().unwrap_or_else(|_| Err(io::Error::other("the copy of the state cannot be decoded")))
        });
        ended.collect::<io::Result<()>>()
    })?;
    Ok(source.into_inner().unwrap_or_else(PoisonError::into_inner).read)
}

/// One thread's share. The order does not matter: values carry versions.
fn take_over(source: &Mutex<Source<'_>>, applier: &Applier) -> io::Result<()> {
    let mut waiting: BTreeMap<Bucket, Vec<Bytes>> = BTreeMap::new();
    while let Some((bucket, values)) = next_values(source)? {
        let together = waiting.entry(bucket).or_default();
        together.extend(values);
        if together.len() >= TOGETHER {
            applier.apply(bucket, std::mem::take(together));
        }
    }
    for (bucket, values) in waiting {
        applier.apply(bucket, values);
    }
    Ok(())
}

fn next_values(source: &Mutex<Source<'_>>) -> io::Result<Option<(Bucket, Vec<Bytes>)>> {
    let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
    while !source.ended {
        let frame = RawFrame::read(&mut source.reader)?.and_then(|(frame, length)| Some((frame.parse()?, length)));
        let Some((frame, length)) = frame else {
            source.ended = true;
            break;
        };
        source.read.length += length;
        match frame {
            Frame::Checkpoint(checkpoint) => source.read.checkpoint = Some(checkpoint),
            Frame::Values(bucket, values) => {
                source.read.values += values.len() as u64;
                return Ok(Some((bucket, values)));
            }
        }
    }
    Ok(None)
}
