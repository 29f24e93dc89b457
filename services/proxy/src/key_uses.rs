//! Tells key-management which keys are in use, so that people see when and from where a key was used last.
//!
//! Of each key one use a minute is told, the first that comes: any other costs a relaxed read of a number. Nothing is
//! kept of a report that does not arrive; a key that goes on being used is told again a minute later.

use std::{
    collections::HashMap,
    mem,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use maas_bus::SharedBus;
use maas_events::{
    state::{KeyUse, KeyUses as KeyUsesReport},
    topic::KEY_USES_SUBJECT,
};
use maas_runtime::process::Process;
use maas_types::{KeyId, Timestamp};
use prost::Message as _;

use crate::state::KeyGrant;

/// How long uses are gathered before they are told.
const GATHER_FOR: Duration = Duration::from_secs(5);
/// A report of this many stays well below what a message may have.
const MOST_IN_A_PART: usize = 2_000;
/// More keys than are used within [`GATHER_FOR`] by any installation; beyond, uses are left out.
const MOST_WAITING: usize = 200_000;

/// The uses that were not told yet.
#[derive(Default)]
pub struct KeyUses {
    waiting: Mutex<HashMap<KeyId, LastUse>>,
}

#[derive(Debug, Clone, Copy)]
struct LastUse {
    at: Timestamp,
    address: Option<IpAddr>,
}

impl KeyUses {
    /// A request with this key was accepted. Takes a lock once a minute and key.
    pub fn note(&self, key: &KeyGrant, address: Option<IpAddr>, now: Timestamp) {
        if !key.is_use_to_be_told(now) {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MOST_WAITING {
            waiting.insert(key.id, LastUse { at: now, address: address.map(|address| address.to_canonical()) });
        }
    }

    /// Tells what was noted every few seconds, and what is left at the soft stop.
    pub fn spawn(self: &Arc<Self>, bus: SharedBus, process: &Process) {
        let uses = self.clone();
        let stopping = process.lifecycle.soft_stop().clone();
        process.lifecycle.spawn("proxy key uses", async move {
            loop {
                let stops = tokio::select! {
                    () = tokio::time::sleep(GATHER_FOR) => false,
                    () = stopping.cancelled() => true,
                };
                uses.tell(&bus).await;
                if stops {
                    return Ok(());
                }
            }
        });
    }

    async fn tell(&self, bus: &SharedBus) {
        for part in self.take_parts() {
            if let Err(error) = bus.broadcast(KEY_USES_SUBJECT, part.encode_to_vec().into()).await {
                tracing::debug!(error = %error, "uses of keys were not told");
                return;
            }
        }
    }

    fn take_parts(&self) -> Vec<KeyUsesReport> {
        let taken = mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let uses: Vec<KeyUse> = taken.into_iter().map(|(key, last)| to_wire(key, last)).collect();
        uses.chunks(MOST_IN_A_PART).map(|part| KeyUsesReport { uses: part.to_vec() }).collect()
    }
}

fn to_wire(key: KeyId, last: LastUse) -> KeyUse {
    KeyUse {
        key_id: Bytes::copy_from_slice(key.uuid().as_bytes()),
        at_ms: last.at.unix_ms(),
        address: last.address.map(|address| address.to_string()).unwrap_or_default(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use maas_events::state::{KeyState, KeyStatus};

    use super::*;

    fn key(number: u8) -> KeyGrant {
        let state = KeyState {
            id: Bytes::copy_from_slice(&[number; 16]),
            owner_id: Bytes::from_static(&[2; 16]),
            public_id: "0123456789abcdef".to_owned(),
            secret_mac: Bytes::from_static(&[3; 32]),
            status: KeyStatus::Active.into(),
            all_models: true,
            ..KeyState::default()
        };
        KeyGrant::from_state(state).unwrap()
    }

    fn told(uses: &KeyUses) -> Vec<(u8, i64, String)> {
        let parts = uses.take_parts().into_iter().flat_map(|part| part.uses);
        parts.map(|used| (used.key_id[0], used.at_ms, used.address)).collect()
    }

    #[test]
    fn a_key_is_told_once_a_minute() {
        let (uses, key) = (KeyUses::default(), key(7));
        let at = |seconds: i64| Timestamp::from_unix_ms(1_795_000_000_000 + seconds * 1_000);
        uses.note(&key, "::ffff:192.0.2.1".parse().ok(), at(0));
        uses.note(&key, "192.0.2.2".parse().ok(), at(59));
        assert_eq!(told(&uses), [(7, at(0).unix_ms(), "192.0.2.1".to_owned())]);
        uses.note(&key, None, at(59));
        assert!(told(&uses).is_empty());
        uses.note(&key, None, at(60));
        assert_eq!(told(&uses), [(7, at(60).unix_ms(), String::new())]);
    }

    #[test]
    fn a_clock_that_went_back_does_not_silence_a_key() {
        let (uses, key) = (KeyUses::default(), key(7));
        let at = |seconds: i64| Timestamp::from_unix_ms(1_795_000_000_000 + seconds * 1_000);
        uses.note(&key, None, at(7_200));
        uses.note(&key, None, at(0));
        assert_eq!(told(&uses).len(), 1);
        uses.note(&key, None, at(61));
        assert_eq!(told(&uses).len(), 1);
    }

    #[test]
    fn many_keys_are_told_in_parts() {
        let uses = KeyUses::default();
        let last = LastUse { at: Timestamp::from_unix_ms(1), address: None };
        let ids = (0..MOST_IN_A_PART + 1).map(|n| KeyId::from_uuid(uuid::Uuid::from_u128(n as u128)));
        uses.waiting.lock().unwrap().extend(ids.map(|id| (id, last)));
        let parts: Vec<_> = uses.take_parts().iter().map(|part| part.uses.len()).collect();
        assert_eq!(parts, [MOST_IN_A_PART, 1]);
    }
}
