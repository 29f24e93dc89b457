//! The key that a first start makes for its first admin.

use maas_events::audit_entry::Actor;
use maas_keys::PlainKey;
use maas_types::UserId;

use super::{CreateKeyInput, KeyService, error::KeyError};
use crate::{
    domain::{expiry::ExpiryRequest, labels::Labels, owner::KeyScope},
    events, store,
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
            allowed_cidrs: None,
            allowed_operations: None,
            expiry: ExpiryRequest::Default,
            ephemeral: false,
            owner_id: owner,
            team_id: None,
            idempotency: None,
        };
        let (_, plain) = self.create_key(input, owner, &KeyScope::All, &Actor::system(events::SERVICE)).await?;
        Ok(Some(plain))
    }
}
