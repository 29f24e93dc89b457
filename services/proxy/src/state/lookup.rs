//! A well-formed key that is not known here: key-management is asked once, briefly.
//!
//! A key that was made a moment ago may be used before its state has arrived. Strangers who try invented keys must not
//! turn into load there: the answer "no such key" is remembered, and the number of questions at a time is limited.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use maas_bus::SharedBus;
use maas_events::{
    Bucket,
    state::{KeyLookup, KeyLookupAnswer},
    topic::KEY_LOOKUP_SUBJECT,
};
use maas_keys::PublicId;
use prost::Message as _;
use tokio::sync::Semaphore;

use super::{KeyGrant, State, watch::Applier};

const ANSWER_WITHIN: Duration = Duration::from_millis(250);
const REMEMBER_UNKNOWN: Duration = Duration::from_secs(5);
const MOST_REMEMBERED: u64 = 100_000;
const MOST_AT_A_TIME: usize = 32;

/// Nobody could say whether the key exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unanswered;

pub struct KeyLookups {
    bus: SharedBus,
    state: Arc<State>,
    applier: Arc<Applier>,
    unknown: moka::sync::Cache<PublicId, ()>,
    questions: Semaphore,
}

impl KeyLookups {
    pub fn new(bus: SharedBus, state: Arc<State>, applier: Arc<Applier>) -> Self {
        let unknown = moka::sync::Cache::builder().max_capacity(MOST_REMEMBERED).time_to_live(REMEMBER_UNKNOWN).build();
        Self { bus, state, applier, unknown, questions: Semaphore::new(MOST_AT_A_TIME) }
    }

    /// The key, `None` if there is none.
    pub async fn find(&self, public_id: PublicId) -> Result<Option<Arc<KeyGrant>>, Unanswered> {
        if self.unknown.contains_key(&public_id) {
            return Ok(None);
        }
        let _turn = self.questions.try_acquire().map_err(|_| Unanswered)?;
        let question = KeyLookup { public_id: public_id.to_string() }.encode_to_vec();
        let answer = self.bus.ask(KEY_LOOKUP_SUBJECT, Bytes::from(question), ANSWER_WITHIN).await;
        let answer = answer.map_err(|_| Unanswered)?;
        let Some(key) = KeyLookupAnswer::decode(answer).map_err(|_| Unanswered)?.key else {
            self.unknown.insert(public_id, ());
            return Ok(None);
        };
        self.applier.apply(Bucket::Keys, vec![key.encode_to_vec().into()]);
        let found = self.state.keys.get(&public_id);
        if found.is_none() {
            // Deleted, or of a form that this version does not understand: asking again would not help.
            self.unknown.insert(public_id, ());
        }
        Ok(found)
    }
}
