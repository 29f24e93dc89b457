//! What the next start need not read: how far each source is committed, kept in one file beside the segments.
//!
//! Guarantee: the file says less than what is true, or the truth, never more, as long as the ledger keeps what it has
//! confirmed; it is replaced as a whole and has a checksum. If it is missing or damaged nothing is lost: everything that
//! is still on disk is read and shipped again, and found to be booked.
//!
//! Text, so that it can be read in need: a line for each source, `<source> <committed> <unneeded> <closed> <settles
//! for>`: the committed watermark, the number of the last segment of which nothing is needed, whether its last word was
//! told, and the earlier sources whose requests it settles, each with a comma behind it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use maas_events::SourceId;

const TITLE: &str = "maas journal watermarks 1";
const CHECKSUM: &str = "crc32c ";

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SourceMark {
    pub committed_through: u64,
    pub unneeded_through: u32,
    pub closed: bool,
    pub settles_for: BTreeSet<SourceId>,
}

pub(crate) type Watermarks = BTreeMap<SourceId, SourceMark>;

pub(crate) fn encode(marks: &Watermarks) -> String {
    let mut text = format!("{TITLE}\n");
    for (source, mark) in marks {
        // Writing to a string cannot fail.
        let SourceMark { committed_through, unneeded_through, closed, settles_for } = mark;
        let settles_for: String = settles_for.iter().map(|earlier| format!("{earlier},")).collect();
        let closed = u8::from(*closed);
        let _ = writeln!(text, "{source} {committed_through} {unneeded_through} {closed} {settles_for}");
    }
    let checksum = crc32c::crc32c(text.as_bytes());
    let _ = writeln!(text, "{CHECKSUM}{checksum:08x}");
    text
}

/// `None` if it is not whole.
pub(crate) fn decode(content: &[u8]) -> Option<Watermarks> {
    let text = std::str::from_utf8(content).ok()?;
    let (marks, checksum) = text.strip_suffix('\n')?.rsplit_once(CHECKSUM)?;
    if u32::from_str_radix(checksum, 16) != Ok(crc32c::crc32c(marks.as_bytes())) {
        return None;
    }
    let mut lines = marks.lines();
    if lines.next() != Some(TITLE) {
        return None;
    }
    lines.map(decode_line).collect()
}

fn decode_line(line: &str) -> Option<(SourceId, SourceMark)> {
    let mut parts = line.split(' ');
    let source = parts.next()?.parse().ok()?;
    let mark = SourceMark {
        committed_through: parts.next()?.parse().ok()?,
        unneeded_through: parts.next()?.parse().ok()?,
        closed: parts.next()? == "1",
        settles_for: parts.next()?.split_terminator(',').map(|text| text.parse().ok()).collect::<Option<_>>()?,
    };
    Some((source, mark))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_not_whole_counts_for_nothing() {
        let source = |worker| SourceId { instance: Uuid::from_u128(1), boot: Uuid::from_u128(2), worker };
        let settled = SourceMark { committed_through: u64::MAX, closed: true, ..SourceMark::default() };
        let settles_for = BTreeSet::from([source(1), source(3)]);
        let settles = SourceMark { unneeded_through: 7, settles_for, ..SourceMark::default() };
        let marks = Watermarks::from([(source(1), settled), (source(2), settles)]);
        let content = encode(&marks).into_bytes();
        assert_eq!(decode(&content), Some(marks));
        for end in 0..content.len() {
            assert_eq!(decode(&content[..end]), None);
            let mut changed = content.clone();
            changed[end] ^= 1;
            assert_eq!(decode(&changed), None, "byte {end}");
        }
        assert_eq!(decode(encode(&Watermarks::new()).as_bytes()), Some(Watermarks::new()));
    }
}
