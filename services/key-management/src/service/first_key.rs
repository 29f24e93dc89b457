//! The key that a first start makes for its first admin.

use maas_keys::PlainKey;
use maas_types::UserId;
use maas_web::AccessScope;

use super::{CreateKeyInput, KeyService, error::KeyError};
use crate::{
    domain::{actor::Actor, expiry::ExpiryRequest, labels::Labels},
    store,
};

impl KeyService {
    /// A key for all models, or `None` when there is any key already. For the start of a single process: two that
    /// start at once on one database would make two.
    pub async fn create_first_key(&self, owner: UserId, name: &str) -> Result<Option<PlainKey>, KeyError> {
        if store::key::any_exists(self.database.reader()).await? {
            return Ok(None);
        }
        let input = CreateKeyInput {
            name: name.to_owned(),
            description: String::new(),
            models: None,
            labels: Labels::new(),
            expiry: ExpiryRequest::Default,
            owner_id: owner,
            idempotency: None,
        };
        let (_, plain) = self.create_key(input, owner, AccessScope::All, &Actor::system()).await?;
        Ok(Some(plain))
    }
}
