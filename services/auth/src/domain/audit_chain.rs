//! The chain of the audit book: each stored entry carries a digest over itself and the digest before it.
//!
//! Guarantee: whoever has noted the digest of a day's last entry can show later that no entry up to it was changed,
//! removed, added or moved. Days are days of storing, in UTC: a record that arrives late stands in the day it arrived
//! in. The first entry of a day follows the last one of the day before, so that a day cannot go missing either.
//!
//! It does not protect against somebody who rewrites the whole book, its lines included, and against whom nobody has
//! noted a digest.

use maas_types::{Timestamp, UtcDay};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// SHA-256.
pub type ChainDigest = [u8; 32];

/// What the first entry of all follows.
const BEGINNING: ChainDigest = [0; 32];
/// First in what is hashed. Another way to write an entry needs another one.
const FORM: &[u8] = b"maas audit entry v1\0";
/// Faults that are listed of one day; after that many there is no doubt left.
const MOST_FAULTS: usize = 100;

/// An entry exactly as it is stored: the digest covers these bytes, not what they mean.
#[derive(Debug)]
pub struct StoredText<'a> {
    pub id: Uuid,
    pub time_ms: i64,
    pub actor_id: Option<Uuid>,
    /// The other columns, in the order of the table.
    pub texts: [&'a str; 11],
}

/// Where an entry stands, and its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainLink {
    pub day: UtcDay,
    /// From 1 in each day, without gaps.
    pub sequence: u64,
    pub digest: ChainDigest,
}

/// The line that the book keeps of a day, also when the day's entries are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayLine {
    pub day: UtcDay,
    /// The digest that the day's first entry follows.
    pub previous: ChainDigest,
    pub entries: u64,
    /// The digest of the day's last entry.
    pub digest: ChainDigest,
    /// When the entries were dropped because their retention was over.
    pub removed_at: Option<Timestamp>,
}

impl DayLine {
    /// A new day after the last one that has a line, if there is one.
    pub fn after(last: Option<&Self>, day: UtcDay) -> Self {
        let previous = last.map_or(BEGINNING, |last| last.digest);
        Self { day, previous, entries: 0, digest: previous, removed_at: None }
    }

    /// How many of its entries should be there.
    pub fn entries_held(&self) -> u64 {
        if self.removed_at.is_some() { 0 } else { self.entries }
    }

    /// The digest of the last entry, as people note it.
    pub fn digest_text(&self) -> String {
        hex(&self.digest)
    }

    pub fn previous_text(&self) -> String {
        hex(&self.previous)
    }

    /// Puts an entry at the end of the day.
    pub fn append(&mut self, entry: &StoredText) -> ChainLink {
        self.entries = self.entries.saturating_add(1);
        self.digest = digest_of(&self.digest, (self.day, self.entries), entry);
        ChainLink { day: self.day, sequence: self.entries, digest: self.digest }
    }
}

fn hex(digest: &ChainDigest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lengths stand before texts, so that no two entries have the same bytes.
fn digest_of(previous: &ChainDigest, (day, sequence): (UtcDay, u64), entry: &StoredText) -> ChainDigest {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(FORM);
    hash.update(day.0.to_be_bytes());
    hash.update(sequence.to_be_bytes());
    hash.update(entry.id.as_bytes());
    hash.update(entry.time_ms.to_be_bytes());
    match entry.actor_id {
        Some(id) => {
            hash.update([1]);
            hash.update(id.as_bytes());
        }
        None => hash.update([0]),
    }
    for text in entry.texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().into()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainFaultKind {
    /// The entry, or the one before it, is not what it was when it was stored.
    Changed,
    /// Entries are gone.
    Missing,
    /// Entries were put in past the book.
    Added,
    /// The day does not follow the day before it, or the day after does not follow it: a whole day is gone, or a line
    /// was changed.
    Unlinked,
}

impl ChainFaultKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::Added => "added",
            Self::Unlinked => "unlinked",
        }
    }
}

/// What is wrong with these sequence numbers of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainFault {
    pub kind: ChainFaultKind,
    pub first: u64,
    pub last: u64,
}

/// Follows the entries of a day in their order.
#[derive(Debug)]
pub struct ChainCheck {
    line: DayLine,
    last_sequence: u64,
    last_digest: ChainDigest,
    faults: Vec<ChainFault>,
}

impl ChainCheck {
    pub fn new(line: DayLine) -> Self {
        let last_digest = line.previous;
        Self { line, last_sequence: 0, last_digest, faults: Vec::new() }
    }

    /// The next entry. After a fault it goes on from the digest that is stored, so that one fault is told once.
    pub fn see(&mut self, link: ChainLink, entry: &StoredText) {
        let expected = self.last_sequence.saturating_add(1);
        if link.sequence > expected {
            self.fault(ChainFaultKind::Missing, expected, link.sequence - 1);
        } else if digest_of(&self.last_digest, (link.day, link.sequence), entry) != link.digest {
            self.fault(ChainFaultKind::Changed, link.sequence, link.sequence);
        }
        self.last_sequence = link.sequence;
        self.last_digest = link.digest;
    }

    /// An entry that the line knows nothing of.
    pub fn see_added(&mut self, first: u64, last: u64) {
        self.fault(ChainFaultKind::Added, first, last);
    }

    /// All faults, once all entries were seen. The neighbours are the nearest days that have a line.
    pub fn finish(mut self, before: Option<&DayLine>, after: Option<&DayLine>) -> Vec<ChainFault> {
        if self.last_sequence < self.line.entries {
            self.fault(ChainFaultKind::Missing, self.last_sequence + 1, self.line.entries);
        } else if self.last_digest != self.line.digest {
            self.fault(ChainFaultKind::Changed, self.last_sequence, self.last_sequence);
        }
        self.check_links(before, after);
        self.faults
    }

    /// The same for a day of which only the line is left.
    pub fn finish_removed(mut self, before: Option<&DayLine>, after: Option<&DayLine>) -> Vec<ChainFault> {
        self.check_links(before, after);
        self.faults
    }

    fn check_links(&mut self, before: Option<&DayLine>, after: Option<&DayLine>) {
        if self.line.previous != before.map_or(BEGINNING, |before| before.digest) {
            self.fault(ChainFaultKind::Unlinked, 0, 0);
        }
        if after.is_some_and(|after| after.previous != self.line.digest) {
            self.fault(ChainFaultKind::Unlinked, self.line.entries, self.line.entries);
        }
    }

    fn fault(&mut self, kind: ChainFaultKind, first: u64, last: u64) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(ChainFault { kind, first, last });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> StoredText<'_> {
        let texts = ["auth", "user", name, "user.update", "user", "usr_1", "success", "", "{}", "req_1", "192.0.2.1"];
        StoredText { id: Uuid::from_u128(7), time_ms: 1, actor_id: None, texts }
    }

    #[test]
    fn where_a_text_ends_counts() {
        let mut moved = entry("ada");
        moved.texts[1] = "usera";
        moved.texts[2] = "da";
        let place = (UtcDay(1), 1);
        assert_ne!(digest_of(&BEGINNING, place, &entry("ada")), digest_of(&BEGINNING, place, &moved));
    }

    #[test]
    fn the_place_in_the_day_counts() {
        let digest = |day, sequence| digest_of(&BEGINNING, (UtcDay(day), sequence), &entry("ada"));
        assert_ne!(digest(1, 1), digest(1, 2));
        assert_ne!(digest(1, 1), digest(2, 1));
    }

    #[test]
    fn a_day_follows_the_day_before_it() {
        let mut monday = DayLine::after(None, UtcDay(1));
        let link = monday.append(&entry("ada"));
        let tuesday = DayLine::after(Some(&monday), UtcDay(2));
        assert_eq!((link.sequence, tuesday.previous, tuesday.entries), (1, monday.digest, 0));
        let unlinked = ChainCheck::new(tuesday).finish(None, None);
        assert_eq!(unlinked, [ChainFault { kind: ChainFaultKind::Unlinked, first: 0, last: 0 }]);
    }
}
