//! People whose rights, tokens or sessions were taken away, as the values that the proxies take over.

use async_trait::async_trait;
use maas_events::Bucket;
use maas_revocation::owner::{RevokedValue, RevokedValues};
use maas_store::{Database, StoreError};
use maas_types::UserId;
use prost::Message as _;
use uuid::Uuid;

use crate::{events::state_of, store};

/// People of one question; databases limit how much one can name.
const AT_ONCE: usize = 500;

pub struct RevokedUsers(pub Database);

#[async_trait]
impl RevokedValues for RevokedUsers {
    /// Deleted people too: their tombstone is what is to be told.
    async fn read(&self, subjects: &[Uuid]) -> Result<Vec<RevokedValue>, StoreError> {
        let db = self.0.reader();
        let mut values = Vec::with_capacity(subjects.len());
        for some in subjects.chunks(AT_ONCE) {
            let ids: Vec<UserId> = some.iter().map(|id| UserId::from_uuid(*id)).collect();
            let users = store::user::find_all(db, &ids).await?;
            values.extend(store::user_facts::load(db, users).await?.iter().map(|facts| RevokedValue {
                subject: facts.user.id.uuid(),
                bucket: Bucket::Users,
                value: state_of(facts).encode_to_vec().into(),
            }));
        }
        Ok(values)
    }
}
