//! Keys that were revoked, as the values that the proxies take over.

use async_trait::async_trait;
use maas_events::Bucket;
use maas_revocation::owner::{RevokedValue, RevokedValues};
use maas_store::{Database, StoreError};
use maas_types::KeyId;
use prost::Message as _;
use uuid::Uuid;

use crate::{domain::key::Key, events::state_of, store};

pub struct RevokedKeys(pub Database);

#[async_trait]
impl RevokedValues for RevokedKeys {
    async fn read(&self, subjects: &[Uuid]) -> Result<Vec<RevokedValue>, StoreError> {
        let ids = subjects.iter().copied().map(KeyId::from_uuid);
        let keys = store::key_page::find_many(self.0.reader(), ids).await?;
        let to_value = |key: Key| RevokedValue {
            subject: key.id.uuid(),
            bucket: Bucket::Keys,
            value: state_of(&key).encode_to_vec().into(),
        };
        Ok(keys.into_iter().map(to_value).collect())
    }
}
