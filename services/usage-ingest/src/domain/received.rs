//! What one message of the usage stream turns into: entries that are committed one after the other.

use std::sync::Arc;

use bytes::Bytes;

use super::{event::Event, source::HeartbeatFacts};

/// One thing to commit. Entries of one source are committed in the order in which they came.
#[derive(Debug, Clone)]
pub enum Entry {
    Event(Box<ReceivedEvent>),
    Heartbeat { source: Arc<str>, heartbeat: HeartbeatFacts, payload: Bytes },
    Close { source: Arc<str>, last_sequence: u64, payload: Bytes },
    Refused(Refused),
}

#[derive(Debug, Clone)]
pub struct ReceivedEvent {
    pub source: Arc<str>,
    pub sequence: u64,
    pub event: Event,
    /// The event as it came, for the quarantine.
    pub payload: Bytes,
}

/// What cannot be booked. It goes to quarantine, and what it says about sequences counts as committed from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Empty when the message does not name a source that can be one.
    pub source: Arc<str>,
    pub sequences: Option<(u64, u64)>,
    pub event_id: Option<uuid::Uuid>,
    pub payload: Bytes,
    pub kind: RefusalKind,
    pub reason: String,
}

/// Why, by what an operator does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// The message cannot be read by this version.
    Undecodable,
    /// The event contradicts itself.
    Invalid,
    /// Admitted too far in the past or in the future.
    OutsideWindow,
    /// Another content is booked under this id.
    Conflict,
    /// The database refuses the row.
    Poisoned,
}

impl RefusalKind {
    pub const ALL: [Self; 5] = [Self::Undecodable, Self::Invalid, Self::OutsideWindow, Self::Conflict, Self::Poisoned];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::Invalid => "invalid",
            Self::OutsideWindow => "outside_window",
            Self::Conflict => "conflict",
            Self::Poisoned => "poisoned",
        }
    }
}

impl Entry {
    pub fn source(&self) -> &Arc<str> {
        match self {
            Self::Event(received) => &received.source,
            Self::Heartbeat { source, .. } | Self::Close { source, .. } => source,
            Self::Refused(refused) => &refused.source,
        }
    }

    /// The same entry on its way to quarantine, because the database refused it. `None`: it was on its way already.
    pub fn poisoned(&self, reason: String) -> Option<Self> {
        let (sequences, event_id, payload) = match self {
            Self::Event(received) => {
                let sequence = received.sequence;
                (Some((sequence, sequence)), Some(received.event.id.uuid()), received.payload.clone())
            }
            Self::Heartbeat { payload, .. } | Self::Close { payload, .. } => (None, None, payload.clone()),
            Self::Refused(_) => return None,
        };
        let source = self.source().clone();
        Some(Self::Refused(Refused { source, sequences, event_id, payload, kind: RefusalKind::Poisoned, reason }))
    }
}
