//! The bytes of the file.
//!
//! Header: `MAASSTAT` and the version, 4 bytes little-endian. A frame: kind (1 byte), bucket (1 byte), 2 bytes zero, the
//! payload's length and the CRC-32C of these 8 bytes and the payload (4 bytes little-endian each), the payload. The payload
//! of values is length-delimited state values; that of a checkpoint is a [`Checkpoint`].

use std::io::{self, Read, Write};

use bytes::{Buf as _, Bytes};
use maas_events::Bucket;
use maas_revocation::{Mark, OwnerName};
use maas_types::Timestamp;
use prost::Message as _;
use uuid::Uuid;

use crate::revocation::Reached;

pub const HEADER: [u8; 12] = *b"MAASSTAT\x01\0\0\0";
const FRAME_HEAD: usize = 12;
const LARGEST_FRAME: usize = 64 * 1024 * 1024;
/// Values of one frame, roughly.
pub const FRAME_BYTES: usize = 1024 * 1024;
const VALUES: u8 = 1;
const CHECKPOINT: u8 = 2;

/// How far what stands before it in the file is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Checkpoint {
    #[prost(message, repeated, tag = "1")]
    pub owners: Vec<OwnerReached>,
    /// The names of buckets that were complete.
    #[prost(string, repeated, tag = "2")]
    pub complete: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct OwnerReached {
    #[prost(string, tag = "1")]
    pub owner: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub epoch: Bytes,
    #[prost(uint64, tag = "3")]
    pub counter: u64,
    /// Unix milliseconds.
    #[prost(int64, tag = "4")]
    pub confirmed_at_ms: i64,
}

/// What the file has next.
#[derive(Debug)]
pub enum Frame {
    Values(Bucket, Vec<Bytes>),
    Checkpoint(Checkpoint),
}

pub fn reached(owner: &OwnerReached) -> Option<Reached> {
    let mark = Mark { epoch: Uuid::from_slice(&owner.epoch).ok()?, counter: owner.counter };
    let confirmed_at = Timestamp::from_unix_ms(owner.confirmed_at_ms);
    Some(Reached { owner: OwnerName::parse(&owner.owner)?, mark, confirmed_at })
}

pub fn owner_reached(reached: &Reached) -> OwnerReached {
    OwnerReached {
        owner: reached.owner.as_str().to_owned(),
        epoch: Bytes::copy_from_slice(reached.mark.epoch.as_bytes()),
        counter: reached.mark.counter,
        confirmed_at_ms: reached.confirmed_at.unix_ms(),
    }
}

/// Returns the bytes written.
pub fn write_values(to: &mut impl Write, bucket: Bucket, values: &[Bytes]) -> io::Result<u64> {
    let mut payload = Vec::with_capacity(values.iter().map(|value| value.len() + 4).sum());
    for value in values {
        // A Vec takes everything.
        let _ = prost::encode_length_delimiter(value.len(), &mut payload);
        payload.extend_from_slice(value);
    }
    write_frame(to, VALUES, bucket_number(bucket), &payload)
}

/// Returns the bytes written.
pub fn write_checkpoint(to: &mut impl Write, checkpoint: &Checkpoint) -> io::Result<u64> {
    write_frame(to, CHECKPOINT, 0, &checkpoint.encode_to_vec())
}

fn write_frame(to: &mut impl Write, kind: u8, bucket: u8, payload: &[u8]) -> io::Result<u64> {
    let length = u32::try_from(payload.len()).map_err(|_| io::Error::other("a frame is too large"))?;
    let mut head = [0; FRAME_HEAD];
    head[0] = kind;
    head[1] = bucket;
    head[4..8].copy_from_slice(&length.to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&head[..8]), payload);
    head[8..12].copy_from_slice(&checksum.to_le_bytes());
    to.write_all(&head)?;
    to.write_all(payload)?;
    Ok((FRAME_HEAD + payload.len()) as u64)
}

/// A frame's payload as it was written; what it means is worked out by [`RawFrame::parse`].
pub struct RawFrame {
    kind: u8,
    bucket: u8,
    payload: Bytes,
}

impl RawFrame {
    /// `None` at the end of what is whole. Also the bytes read.
    pub fn read(from: &mut impl Read) -> io::Result<Option<(Self, u64)>> {
        let mut head = [0; FRAME_HEAD];
        if !fill(from, &mut head)? {
            return Ok(None);
        }
        let [kind, bucket, _, _, l0, l1, l2, l3, c0, c1, c2, c3] = head;
        let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        if length > LARGEST_FRAME {
            return Ok(None);
        }
        let mut payload = vec![0; length];
        if !fill(from, &mut payload)? {
            return Ok(None);
        }
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&head[..8]), &payload);
        if checksum != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Ok(None);
        }
        let read = (FRAME_HEAD + length) as u64;
        Ok(Some((Self { kind, bucket, payload: payload.into() }, read)))
    }

    /// `None`: this version does not know what it is.
    pub fn parse(self) -> Option<Frame> {
        match self.kind {
            VALUES => Some(Frame::Values(bucket_of(self.bucket)?, split(self.payload)?)),
            CHECKPOINT => Checkpoint::decode(self.payload).ok().map(Frame::Checkpoint),
            _ => None,
        }
    }
}

fn split(mut payload: Bytes) -> Option<Vec<Bytes>> {
    let mut values = Vec::new();
    while payload.has_remaining() {
        let length = prost::decode_length_delimiter(&mut payload).ok()?;
        if length > payload.len() {
            return None;
        }
        values.push(payload.split_to(length));
    }
    Some(values)
}

/// False at the end, also in the middle of what was asked for.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Numbers in the file never change their meaning.
const BUCKETS: [(u8, Bucket); Bucket::ALL.len()] = [
    (1, Bucket::Keys),
    (2, Bucket::Users),
    (3, Bucket::Models),
    (4, Bucket::Teams),
    (5, Bucket::Plans),
    (6, Bucket::Subscriptions),
];

fn bucket_number(bucket: Bucket) -> u8 {
    BUCKETS.iter().find(|(_, known)| *known == bucket).map_or(0, |(number, _)| *number)
}

fn bucket_of(number: u8) -> Option<Bucket> {
    BUCKETS.iter().find(|(known, _)| *known == number).map(|(_, bucket)| *bucket)
}
