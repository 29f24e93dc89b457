//! Reading keys.

use maas_types::{KeyId, PageLimit};

use super::{KeyService, error::KeyError};
use crate::{
    domain::{key::Key, owner::KeyScope},
    store::{self, KeyFilter, KeyOrder, KeyPosition},
};

#[derive(Debug, Clone)]
pub struct ListKeysInput {
    /// With the scope of the caller.
    pub filter: KeyFilter,
    pub order: KeyOrder,
    pub position: Option<KeyPosition>,
    pub limit: PageLimit,
    pub with_total: bool,
}

#[derive(Debug)]
pub struct ListedKeys {
    pub keys: Vec<Key>,
    /// Where the next page starts if there is one.
    pub next: Option<KeyPosition>,
    /// Of all pages; only when it was asked for, since it costs a look at all of them.
    pub total: Option<u64>,
}

impl KeyService {
    pub async fn get_key(&self, id: KeyId, scope: &KeyScope) -> Result<Key, KeyError> {
        let key = store::key::find(self.database.reader(), id).await?;
        key.filter(|key| scope.oversees(key)).ok_or(KeyError::NotFound)
    }

    pub async fn list_keys(&self, input: ListKeysInput) -> Result<ListedKeys, KeyError> {
        let (reader, now) = (self.database.reader(), self.clock.now());
        let limit = input.limit.get();
        let (keys, next) =
            store::key_page::list(reader, &input.filter, input.order, input.position.as_ref(), limit, now).await?;
        let total = match input.with_total {
            true => Some(store::key_page::count(reader, &input.filter, now).await?),
            false => None,
        };
        Ok(ListedKeys { keys, next, total })
    }
}
