//! Reading keys.

use maas_types::{KeyId, PageLimit};
use maas_web::AccessScope;

use super::{KeyService, error::KeyError};
use crate::{
    domain::key::Key,
    store::{self, KeyFilter, key_page::KeyPosition},
};

#[derive(Debug, Clone)]
pub struct ListKeysInput {
    pub filter: KeyFilter,
    pub position: Option<KeyPosition>,
    pub limit: PageLimit,
}

impl KeyService {
    pub async fn get_key(&self, id: KeyId, scope: AccessScope) -> Result<Key, KeyError> {
        let key = store::key::find(self.database.reader(), id).await?;
        key.filter(|key| scope.covers(key.owner_id)).ok_or(KeyError::NotFound)
    }

    /// A page of what `scope` covers, and where the next one starts if there is one.
    pub async fn list_keys(
        &self,
        mut input: ListKeysInput,
        scope: AccessScope,
    ) -> Result<(Vec<Key>, Option<KeyPosition>), KeyError> {
        input.filter.visible_owner = scope.owner();
        let limit = usize::try_from(input.limit.get()).unwrap_or(usize::MAX);
        // One row more than asked for says whether there is a next page.
        let fetched = u64::from(input.limit.get()) + 1;
        let (reader, now) = (self.database.reader(), self.clock.now());
        let mut keys = store::key_page::list(reader, &input.filter, input.position, fetched, now).await?;
        let more = keys.len() > limit;
        keys.truncate(limit);
        let next = keys.last().filter(|_| more).map(KeyPosition::of);
        Ok((keys, next))
    }
}
