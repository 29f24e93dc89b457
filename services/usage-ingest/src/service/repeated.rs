//! Events whose id is booked already: what is new about them.
//!
//! The same content again changes nothing. Better counts (exact before partial before estimated before none) book the
//! difference as a correction, once. Everything else contradicts what is booked and goes to quarantine; what is booked
//! stays. Rules in [`crate::domain::booked`]; runs in the transaction of the batch, under the partition lock.

use std::collections::{BTreeMap, BTreeSet};

use maas_store::StoreError;
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use crate::{
    domain::{
        booked::{Booked, Verdict},
        correction::Correction,
        received::{ReceivedEvent, RefusalKind, Refused},
    },
    store,
};

#[derive(Debug, Default)]
pub struct Repeated {
    pub duplicates: u64,
    /// Events with better counts; each has one or more corrections.
    pub improved: u64,
    pub corrections: Vec<Correction>,
    pub conflicts: Vec<Refused>,
}

/// Judges the events in the order in which they came.
pub async fn judge(transaction: &DatabaseTransaction, received: &[&ReceivedEvent]) -> Result<Repeated, StoreError> {
    let mut repeated = Repeated::default();
    if received.is_empty() {
        return Ok(repeated);
    }
    // Nearly all of them are the same message once more: their digests say so.
    let first_contents = store::event::fingerprints(transaction, &ids(received)).await?;
    let is_same = |event: &&&ReceivedEvent| {
        first_contents.get(&event.event.id.uuid()).is_some_and(|digest| *digest == event.event.fingerprint.0)
    };
    let (same, others): (Vec<&ReceivedEvent>, Vec<_>) = received.iter().partition(is_same);
    repeated.duplicates = same.len() as u64;
    let mut booked = store::booked::load(transaction, &ids(&others)).await?;
    for event in others {
        repeated.add(event, &mut booked);
    }
    Ok(repeated)
}

fn ids(received: &[&ReceivedEvent]) -> BTreeSet<(i32, Uuid)> {
    received.iter().map(|received| (received.event.day(), received.event.id.uuid())).collect()
}

impl Repeated {
    fn add(&mut self, received: &ReceivedEvent, booked: &mut BTreeMap<Uuid, Booked>) {
        let booked = booked.entry(received.event.id.uuid()).or_default();
        match booked.judge(&received.event) {
            Verdict::Repeated => self.duplicates += 1,
            Verdict::Better(corrections) => {
                for correction in &corrections {
                    booked.correct(correction);
                }
                self.improved += 1;
                self.corrections.extend(corrections);
            }
            Verdict::Conflict(reason) => self.conflicts.push(conflict(received, reason)),
        }
    }
}

fn conflict(received: &ReceivedEvent, reason: String) -> Refused {
    tracing::warn!(event.id = %received.event.id, usage.source = %received.source, reason, "conflicting usage event");
    Refused {
        source: received.source.clone(),
        sequences: Some((received.sequence, received.sequence)),
        event_id: Some(received.event.id.uuid()),
        payload: received.payload.clone(),
        kind: RefusalKind::Conflict,
        reason,
    }
}
