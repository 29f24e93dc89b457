//! What a quarantined payload holds, on the wire types, as far as this version can read it.

use std::{str::FromStr as _, sync::Arc};

use maas_events::{
    SourceId,
    usage::{UsageEvent, UsageMessage, usage_message::Body},
};
use prost::Message as _;

use crate::domain::{quarantine::QuarantineEntry, received::RefusalKind};

/// The events of an entry, and whose they are.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldEvents {
    pub source: Arc<str>,
    pub events: Vec<UsageEvent>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadablePayload {
    #[error("this version cannot read it")]
    Undecodable,
    #[error("it names no source that can be one")]
    NoSource,
    #[error("it holds no event")]
    NoEvent,
}

/// Reads an entry again: a newer version may understand what an older one kept aside.
pub fn held_events(entry: &QuarantineEntry) -> Result<HeldEvents, UnreadablePayload> {
    if is_message(entry) { message_events(&entry.payload) } else { single_event(entry) }
}

/// Messages are kept whole when they cannot be read, or when they are no events; all else is kept event by event.
fn is_message(entry: &QuarantineEntry) -> bool {
    entry.kind == RefusalKind::Undecodable || (entry.event_id.is_none() && entry.sequences.is_none())
}

fn message_events(payload: &[u8]) -> Result<HeldEvents, UnreadablePayload> {
    let message = UsageMessage::decode(payload).map_err(|_| UnreadablePayload::Undecodable)?;
    let source = SourceId::from_str(&message.source).map_err(|_| UnreadablePayload::NoSource)?;
    match message.body {
        None => Err(UnreadablePayload::Undecodable),
        Some(Body::Events(batch)) if !batch.events.is_empty() => {
            Ok(HeldEvents { source: Arc::from(source.to_string()), events: batch.events })
        }
        Some(Body::Events(_) | Body::Heartbeat(_) | Body::Close(_)) => Err(UnreadablePayload::NoEvent),
    }
}

/// Its number may be in the entry only.
fn single_event(entry: &QuarantineEntry) -> Result<HeldEvents, UnreadablePayload> {
    let mut event = UsageEvent::decode(entry.payload.as_slice()).map_err(|_| UnreadablePayload::Undecodable)?;
    if let Some((first, _)) = entry.sequences {
        event.sequence = first;
    }
    Ok(HeldEvents { source: Arc::from(entry.source.as_str()), events: vec![event] })
}
