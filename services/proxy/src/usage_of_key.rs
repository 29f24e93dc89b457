//! What a key has used so far, asked of usage-ingest for `GET /v1/key`.

use std::time::Duration;

use bytes::Bytes;
use maas_bus::SharedBus;
use maas_events::{
    topic::KEY_USAGE_SUBJECT,
    usage::{KeyUsage, KeyUsageQuery},
};
use maas_types::KeyId;
use prost::Message as _;

const ANSWER_WITHIN: Duration = Duration::from_secs(2);

pub struct KeyUsageQuestions(SharedBus);

impl KeyUsageQuestions {
    pub fn new(bus: SharedBus) -> Self {
        Self(bus)
    }

    /// `None` when nobody can say right now.
    pub async fn ask(&self, key: KeyId) -> Option<KeyUsage> {
        let question = KeyUsageQuery { key_id: Bytes::copy_from_slice(key.uuid().as_bytes()) };
        let answer = self.0.ask(KEY_USAGE_SUBJECT, question.encode_to_vec().into(), ANSWER_WITHIN).await;
        answer.ok().and_then(|answer| KeyUsage::decode(answer).ok())
    }
}
