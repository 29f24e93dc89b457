//! The bytes of one record.
//!
//! Guarantee: what decodes is what was encoded, by this source. `length u32 | crc u32 | kind u8 | event id [16] |
//! sequence u64 (SETTLE only) | payload`, little endian; `length` counts what follows the CRC. The CRC-32C starts from a
//! value derived from the source, so that neither another source's record nor one that a client hid in a label passes.
//! A record that was cut short or changed does not decode; what then happens is decided in [`crate::segment`].

use maas_events::SourceId;
use maas_types::EventId;
use uuid::Uuid;

use crate::JournalError;

/// The largest record, its frame included.
pub const MAX_RECORD_LENGTH: usize = 4096;

pub(crate) const FRAME_LENGTH: usize = 8;
const EVENT_ID_AT: usize = 1;
const AFTER_EVENT_ID: usize = EVENT_ID_AT + 16;
const SEQUENCE_LENGTH: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// A request was let in. Written before its upstream is called.
    Admit,
    /// What an open request has used so far; the last one counts.
    Progress,
    /// How a request ended, with its sequence.
    Settle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordView<'a> {
    pub kind: RecordKind,
    pub event_id: EventId,
    /// 0 unless the record is a `SETTLE`.
    pub sequence: u64,
    pub payload: &'a [u8],
}

/// The value that every CRC of a source starts from.
pub(crate) fn checksum_seed(source: SourceId) -> u32 {
    let seed = crc32c::crc32c(source.instance.as_bytes());
    let seed = crc32c::crc32c_append(seed, source.boot.as_bytes());
    crc32c::crc32c_append(seed, &source.worker.to_le_bytes())
}

/// Appends `record` to `buffer`, or leaves the buffer alone if it is too large.
pub(crate) fn encode(buffer: &mut Vec<u8>, seed: u32, record: &RecordView<'_>) -> Result<(), JournalError> {
    let sequence_length = if record.kind == RecordKind::Settle { SEQUENCE_LENGTH } else { 0 };
    let body_length = AFTER_EVENT_ID + sequence_length + record.payload.len();
    let length = FRAME_LENGTH + body_length;
    if length > MAX_RECORD_LENGTH {
        return Err(JournalError::RecordTooLarge { length });
    }
    let start = buffer.len();
    // At most 4 KiB, so the cast is exact.
    buffer.extend_from_slice(&(body_length as u32).to_le_bytes());
    buffer.extend_from_slice(&[0; 4]);
    buffer.push(kind_byte(record.kind));
    buffer.extend_from_slice(record.event_id.uuid().as_bytes());
    if record.kind == RecordKind::Settle {
        buffer.extend_from_slice(&record.sequence.to_le_bytes());
    }
    buffer.extend_from_slice(record.payload);
    let checksum = crc32c::crc32c_append(seed, &buffer[start + FRAME_LENGTH..]);
    buffer[start + 4..start + FRAME_LENGTH].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// The record at the start of `bytes` and its whole length, or `None` if there is no intact one.
pub(crate) fn decode(bytes: &[u8], seed: u32) -> Option<(RecordView<'_>, usize)> {
    let body_length = declared_body_length(bytes)?;
    let checksum = u32::from_le_bytes(bytes.get(4..FRAME_LENGTH)?.try_into().ok()?);
    let body = bytes.get(FRAME_LENGTH..FRAME_LENGTH + body_length)?;
    if crc32c::crc32c_append(seed, body) != checksum {
        return None;
    }
    let kind = kind_of(body[0])?;
    let event_id = EventId::from_uuid(Uuid::from_slice(body.get(EVENT_ID_AT..AFTER_EVENT_ID)?).ok()?);
    let rest = &body[AFTER_EVENT_ID..];
    let (sequence, payload) = match kind {
        RecordKind::Settle => {
            let (sequence, payload) = rest.split_first_chunk::<SEQUENCE_LENGTH>()?;
            (u64::from_le_bytes(*sequence), payload)
        }
        RecordKind::Admit | RecordKind::Progress => (0, rest),
    };
    Some((RecordView { kind, event_id, sequence, payload }, FRAME_LENGTH + body_length))
}

/// True if `bytes` can be the first part of a record whose rest was never written. A machine that ends may leave a file
/// that was made longer already and whose last bytes, never written, are zeros.
pub(crate) fn is_torn(bytes: &[u8]) -> bool {
    is_cut_short(bytes) || is_cut_short(written_part(bytes))
}

/// Without the zeros at its end.
pub(crate) fn written_part(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &bytes[..end]
}

fn is_cut_short(bytes: &[u8]) -> bool {
    bytes.len() < 4 || declared_body_length(bytes).is_some_and(|length| FRAME_LENGTH + length > bytes.len())
}

fn declared_body_length(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*bytes.first_chunk::<4>()?) as usize;
    (AFTER_EVENT_ID..=MAX_RECORD_LENGTH - FRAME_LENGTH).contains(&length).then_some(length)
}

fn kind_byte(kind: RecordKind) -> u8 {
    match kind {
        RecordKind::Admit => 1,
        RecordKind::Progress => 2,
        RecordKind::Settle => 3,
    }
}

fn kind_of(byte: u8) -> Option<RecordKind> {
    match byte {
        1 => Some(RecordKind::Admit),
        2 => Some(RecordKind::Progress),
        3 => Some(RecordKind::Settle),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_record_of_another_source_does_not_decode() {
        let event_id = EventId::from_uuid(Uuid::from_u128(7));
        let record = RecordView { kind: RecordKind::Settle, event_id, sequence: 9, payload: b"usage" };
        let mut bytes = Vec::new();
        encode(&mut bytes, 1, &record).unwrap();
        assert_eq!(decode(&bytes, 1), Some((record, bytes.len())));
        assert_eq!(decode(&bytes, 2), None);
    }

    #[test]
    fn a_record_over_the_limit_is_refused_whole() {
        let event_id = EventId::from_uuid(Uuid::from_u128(7));
        let payload = vec![0; MAX_RECORD_LENGTH];
        let mut bytes = vec![1, 2, 3];
        let record = RecordView { kind: RecordKind::Admit, event_id, sequence: 0, payload: &payload };
        assert!(matches!(encode(&mut bytes, 1, &record), Err(JournalError::RecordTooLarge { .. })));
        assert_eq!(bytes, [1, 2, 3]);
    }
}
