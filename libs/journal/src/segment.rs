//! One segment file: its name, its header, and reading it whatever happened to it.
//!
//! Guarantee: reading finds every intact record behind an intact or broken header, in order. What is not a record is
//! either *torn* (the last write was cut short, by a crash or a full disk: nothing confirmed is in there) or *damaged*
//! (something that was written is gone: reading goes on at the next record whose CRC is right).

use std::{fmt, ops::Range, str::FromStr};

use maas_events::SourceId;
use uuid::Uuid;

use crate::record::{self, RecordView};

pub(crate) const HEADER_LENGTH: usize = 62;
pub(crate) const FORMAT_VERSION: u16 = 1;
const MAGIC: &[u8; 8] = b"MAASJRNL";
const CHECKSUM_AT: usize = HEADER_LENGTH - 4;

/// `<boot>-<worker>-<number>.seg`; the numbers of one source ascend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentName {
    pub boot: Uuid,
    pub worker: u32,
    pub number: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub source: SourceId,
    pub number: u32,
    /// The sequence that the next `SETTLE` had when the segment was begun.
    pub first_sequence: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeaderState {
    Intact(SegmentHeader),
    /// Shorter than a header: the process, or the machine, ended while it was written.
    Torn,
    Damaged,
    UnknownVersion(u16),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scanned<'a> {
    Record(RecordView<'a>),
    Torn(Range<usize>),
    Damaged(Range<usize>),
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{:08}.seg", self.boot.simple(), self.worker, self.number)
    }
}

impl FromStr for SegmentName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.strip_suffix(".seg").ok_or(())?.split('-');
        let (Some(boot), Some(worker), Some(number), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(());
        };
        let boot = Uuid::try_parse(boot).map_err(|_| ())?;
        Ok(Self { boot, worker: worker.parse().map_err(|_| ())?, number: number.parse().map_err(|_| ())? })
    }
}

impl SegmentHeader {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_LENGTH);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(self.source.instance.as_bytes());
        bytes.extend_from_slice(self.source.boot.as_bytes());
        bytes.extend_from_slice(&self.source.worker.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.first_sequence.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            source: SourceId {
                instance: Uuid::from_slice(bytes.get(10..26)?).ok()?,
                boot: Uuid::from_slice(bytes.get(26..42)?).ok()?,
                worker: u32::from_le_bytes(bytes.get(42..46)?.try_into().ok()?),
            },
            number: u32::from_le_bytes(bytes.get(46..50)?.try_into().ok()?),
            first_sequence: u64::from_le_bytes(bytes.get(50..CHECKSUM_AT)?.try_into().ok()?),
        })
    }
}

/// Judges the header of a segment file.
pub(crate) fn read_header(bytes: &[u8]) -> HeaderState {
    let Some(header) = bytes.get(..HEADER_LENGTH) else { return HeaderState::Torn };
    let (content, checksum) = header.split_at(CHECKSUM_AT);
    let intact = content.starts_with(MAGIC) && crc32c::crc32c(content).to_le_bytes() == checksum;
    match SegmentHeader::decode(content) {
        Some(header) if intact => match u16::from_le_bytes([content[8], content[9]]) {
            FORMAT_VERSION => HeaderState::Intact(header),
            version => HeaderState::UnknownVersion(version),
        },
        // Made longer, and never written.
        _ if record::written_part(bytes).len() < HEADER_LENGTH => HeaderState::Torn,
        _ => HeaderState::Damaged,
    }
}

/// Everything behind the header of a segment of the source that `seed` belongs to.
pub(crate) struct SegmentScan<'a> {
    bytes: &'a [u8],
    offset: usize,
    seed: u32,
}

impl<'a> SegmentScan<'a> {
    pub fn new(bytes: &'a [u8], seed: u32) -> Self {
        Self { bytes, offset: HEADER_LENGTH.min(bytes.len()), seed }
    }
}

impl<'a> Iterator for SegmentScan<'a> {
    type Item = Scanned<'a>;

    fn next(&mut self) -> Option<Scanned<'a>> {
        let start = self.offset;
        if start >= self.bytes.len() {
            return None;
        }
        if let Some((record, length)) = record::decode(&self.bytes[start..], self.seed) {
            self.offset += length;
            return Some(Scanned::Record(record));
        }
        // Nobody but this source can make a record with its CRC, so whatever decodes further on is a real one.
        let next = (start + 1..self.bytes.len()).find(|at| record::decode(&self.bytes[*at..], self.seed).is_some());
        self.offset = next.unwrap_or(self.bytes.len());
        let range = start..self.offset;
        let torn = next.is_none() && record::is_torn(&self.bytes[start..]);
        Some(if torn { Scanned::Torn(range) } else { Scanned::Damaged(range) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use maas_types::EventId;

    use super::*;
    use crate::RecordKind;

    const SOURCE: SourceId = SourceId { instance: Uuid::from_u128(1), boot: Uuid::from_u128(2), worker: 3 };

    fn segment_of(payloads: &[&[u8]]) -> Vec<u8> {
        let mut bytes = SegmentHeader { source: SOURCE, number: 1, first_sequence: 5 }.encode();
        for payload in payloads {
            let event_id = EventId::from_uuid(Uuid::from_u128(9));
            let record = RecordView { kind: RecordKind::Admit, event_id, sequence: 0, payload };
            record::encode(&mut bytes, record::checksum_seed(SOURCE), &record).unwrap();
        }
        bytes
    }

    fn scan(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<Scanned<'_>>) {
        let (mut payloads, mut others) = (Vec::new(), Vec::new());
        for scanned in SegmentScan::new(bytes, record::checksum_seed(SOURCE)) {
            match scanned {
                Scanned::Record(record) => payloads.push(record.payload.to_vec()),
                other => others.push(other),
            }
        }
        (payloads, others)
    }

    #[test]
    fn names_and_headers_round_trip() {
        let name = SegmentName { boot: SOURCE.boot, worker: 3, number: 12 };
        assert_eq!(name.to_string().parse(), Ok(name));
        assert!("lock".parse::<SegmentName>().is_err());
        let header = SegmentHeader { source: SOURCE, number: 12, first_sequence: u64::MAX };
        assert_eq!(header.encode().len(), HEADER_LENGTH);
        assert_eq!(read_header(&header.encode()), HeaderState::Intact(header));
    }

    #[test]
    fn every_cut_leaves_a_torn_tail_and_the_records_before_it() {
        let whole = segment_of(&[b"first", b"second"]);
        let first = segment_of(&[b"first"]).len();
        for end in first + 1..whole.len() {
            let (payloads, others) = scan(&whole[..end]);
            assert_eq!(payloads, [b"first"]);
            assert_eq!(others, [Scanned::Torn(first..end)]);
        }
    }

    #[test]
    fn every_changed_byte_of_a_middle_record_is_damage_and_its_neighbours_are_read() {
        let whole = segment_of(&[b"first", b"second", b"third"]);
        let (start, end) = (segment_of(&[b"first"]).len(), segment_of(&[b"first", b"second"]).len());
        for at in start..end {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x40;
            let (payloads, others) = scan(&bytes);
            assert_eq!(payloads, [b"first".to_vec(), b"third".to_vec()]);
            assert_eq!(others, [Scanned::Damaged(start..end)]);
        }
    }

    #[test]
    fn broken_headers_are_told_apart() {
        let whole = segment_of(&[b"first"]);
        assert_eq!(read_header(&whole[..HEADER_LENGTH - 1]), HeaderState::Torn);
        let mut damaged = whole.clone();
        damaged[20] ^= 1;
        assert_eq!(read_header(&damaged), HeaderState::Damaged);
        assert_eq!(scan(&damaged).0, [b"first"], "the records behind it are still read");
    }
}
