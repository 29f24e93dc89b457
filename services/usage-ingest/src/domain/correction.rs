//! Signed corrections of what is booked.
//!
//! Guarantee: a correction changes sums only by being added to them. What it corrects stays as it was booked, so every
//! figure can be traced to events and corrections that say who changed it and why.

use maas_types::{EventId, Timestamp, UsageQuality, UserId};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{
    dimensions::Dimensions,
    event::{Fingerprint, day_of},
    measures::{MEASURE_COLUMNS, Measures},
};

/// The largest amount of one measure, above or below zero: the most nano-units of an event, and more tokens than one.
pub const MAX_AMOUNT: i64 = 1_000_000_000_000_000;
const MAX_TEXT_BYTES: usize = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CorrectionKind {
    /// The platform itself: an event came again with better counts.
    Quality,
    /// A person changes what is booked.
    Manual,
    /// A person books usage that has no event.
    Backfill,
}

impl CorrectionKind {
    pub const ALL: [Self; 3] = [Self::Quality, Self::Manual, Self::Backfill];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quality => "quality",
            Self::Manual => "manual",
            Self::Backfill => "backfill",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// Books once, however often it is asked for.
    pub id: Uuid,
    /// The time that it counts for: that of the corrected event, if there is one.
    pub admitted_at: Timestamp,
    pub event: Option<EventId>,
    pub kind: CorrectionKind,
    pub reason: String,
    /// None: the platform itself.
    pub actor: Option<UserId>,
    pub actor_name: String,
    pub dimensions: Dimensions,
    /// Signed.
    pub measures: Measures,
    /// Of a correction by better quality: what is booked with it.
    pub better: Option<Content>,
}

/// What an event said: how good its counts were, and a digest of all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    pub quality: UsageQuality,
    pub fingerprint: Fingerprint,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCorrection {
    #[error("`{0}` must be between -10^15 and 10^15")]
    OutOfRange(&'static str),
    #[error("it changes nothing")]
    Zero,
    #[error("`{0}` is missing, longer than {MAX_TEXT_BYTES} bytes, or has control characters")]
    Text(&'static str),
    #[error("its time must be in the past and not before 2000")]
    Time,
}

impl Correction {
    /// Days since the epoch.
    pub fn day(&self) -> i32 {
        day_of(self.admitted_at)
    }

    /// What every correction must satisfy before it is booked.
    pub fn check(&self, now: Timestamp) -> Result<(), InvalidCorrection> {
        for (column, value) in MEASURE_COLUMNS.into_iter().zip(self.measures.values()) {
            if !(-MAX_AMOUNT..=MAX_AMOUNT).contains(&value) {
                return Err(InvalidCorrection::OutOfRange(column));
            }
        }
        // Better counts that turn out to be the same are booked too: that they are better has to be remembered.
        if self.measures.is_zero() && self.better.is_none() {
            return Err(InvalidCorrection::Zero);
        }
        check_text("reason", &self.reason, 1)?;
        check_text("actor_name", &self.actor_name, 1)?;
        let optional = [&self.dimensions.cost_centre, &self.dimensions.model, &self.dimensions.upstream];
        for (field, text) in ["cost_centre", "model", "upstream"].into_iter().zip(optional) {
            check_text(field, text, 0)?;
        }
        const YEAR_2000: Timestamp = Timestamp::from_unix_ms(946_684_800_000);
        if self.admitted_at < YEAR_2000 || self.admitted_at > now.plus(super::window::MAX_AHEAD) {
            return Err(InvalidCorrection::Time);
        }
        Ok(())
    }

    /// Of the better content; else over everything that it books, and who booked it why. The same id with another digest
    /// is another correction.
    pub fn digest(&self) -> Fingerprint {
        if let Some(better) = self.better {
            return better.fingerprint;
        }
        let mut hash = Sha256::new();
        let of = &self.dimensions;
        for id in [of.key_id, of.user_id, of.team_id, of.organisation_id] {
            hash.update(id.as_bytes());
        }
        for id in [self.event.map(EventId::uuid), self.actor.map(UserId::uuid)] {
            hash.update(id.unwrap_or_default().as_bytes());
        }
        let texts = [&of.cost_centre, &of.model, &of.upstream, &self.reason, &self.actor_name].map(String::as_str);
        let names = [of.operation.as_str(), of.outcome.as_str(), of.currency.as_str(), self.kind.as_str()];
        for text in texts.into_iter().chain(names) {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.update(self.admitted_at.unix_ms().to_be_bytes());
        for value in self.measures.values() {
            hash.update(value.to_be_bytes());
        }
        Fingerprint(hash.finalize().into())
    }
}

fn check_text(field: &'static str, text: &str, least: usize) -> Result<(), InvalidCorrection> {
    let fits = (least..=MAX_TEXT_BYTES).contains(&text.trim().len()) && text.len() <= MAX_TEXT_BYTES;
    if fits && !text.chars().any(char::is_control) { Ok(()) } else { Err(InvalidCorrection::Text(field)) }
}

/// The id of the correction that books `content` for an event: always the same one, so that it is booked once whoever
/// brings the content again. A UUIDv7 of the event's time; `part` tells the rows of one change apart.
pub fn id_of_change(event: EventId, content: &Fingerprint, part: u8) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(event.uuid().as_bytes());
    hash.update(content.0);
    hash.update([part]);
    let digest: [u8; 32] = hash.finalize().into();
    let [a, b, c, d, e, f, g, h, i, j, ..] = digest;
    let milliseconds = event.created_at().unix_ms().max(0).unsigned_abs();
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &[a, b, c, d, e, f, g, h, i, j]).into_uuid()
}
