//! Organisations: how teams are grouped for reports.

use maas_store::StoreError;
use maas_types::{OrganisationId, PageLimit};

use super::{Core, audited, effects::Effects, initiator::Initiator};
use crate::{
    domain::team::{DEFAULT_ORGANISATION, Organisation},
    store::{self, user::VersionMoved},
};

#[derive(Debug, thiserror::Error)]
pub enum OrganisationError {
    #[error("no such organisation")]
    NotFound,
    #[error("the name is taken")]
    NameTaken,
    #[error("the default organisation stays")]
    IsDefault,
    /// Deleted teams count: what they used is booked to it.
    #[error("teams belong to the organisation, or did")]
    HasTeams,
    /// Somebody decided on what is no longer there.
    #[error("the organisation was changed since it was read")]
    VersionMoved,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Core {
    pub async fn organisation(&self, id: OrganisationId) -> Result<Option<Organisation>, StoreError> {
        store::organisation::find(self.database.reader(), id).await
    }

    /// One more than `limit` if there is a next page.
    pub async fn organisations(
        &self,
        limit: PageLimit,
        after: Option<OrganisationId>,
    ) -> Result<Vec<Organisation>, StoreError> {
        store::organisation::list(self.database.reader(), limit, after).await
    }

    pub async fn create_organisation(
        &self,
        name: String,
        initiator: &Initiator,
    ) -> Result<Organisation, OrganisationError> {
        let now = self.now();
        let created = Organisation::new(name, now);
        let transaction = self.database.begin().await?;
        store::organisation::insert(&transaction, &created).await.map_err(name_taken)?;
        let (resource, shown) = (resource(created.id), (None, Some(audited::organisation(&created))));
        let record = audited::change(initiator, "organisation.create", resource, shown, now);
        self.commit_effects(transaction, Effects { tell: vec![record], ..Effects::default() }).await?;
        Ok(created)
    }

    pub async fn rename_organisation(
        &self,
        id: OrganisationId,
        name: String,
        seen: Option<u64>,
        initiator: &Initiator,
    ) -> Result<Organisation, OrganisationError> {
        let now = self.now();
        let transaction = self.database.begin().await?;
        let before = store::organisation::lock(&transaction, id).await?.ok_or(OrganisationError::NotFound)?;
        if seen.is_some_and(|seen| seen != before.version) {
            return Err(OrganisationError::VersionMoved);
        }
        if before.name == name {
            return Ok(before);
        }
        let after = Organisation { name, version: before.version + 1, updated_at: now, ..before.clone() };
        let updated = store::organisation::update(&transaction, &after).await.map_err(name_taken)?;
        updated.map_err(|VersionMoved| OrganisationError::VersionMoved)?;
        let shown = (Some(audited::organisation(&before)), Some(audited::organisation(&after)));
        let record = audited::change(initiator, "organisation.update", resource(id), shown, now);
        self.commit_effects(transaction, Effects { tell: vec![record], ..Effects::default() }).await?;
        Ok(after)
    }

    pub async fn delete_organisation(
        &self,
        id: OrganisationId,
        seen: Option<u64>,
        initiator: &Initiator,
    ) -> Result<(), OrganisationError> {
        let transaction = self.database.begin().await?;
        let before = store::organisation::lock(&transaction, id).await?.ok_or(OrganisationError::NotFound)?;
        if seen.is_some_and(|seen| seen != before.version) {
            return Err(OrganisationError::VersionMoved);
        }
        if id == DEFAULT_ORGANISATION {
            return Err(OrganisationError::IsDefault);
        }
        if store::team::exists_in(&transaction, id).await? {
            return Err(OrganisationError::HasTeams);
        }
        store::organisation::delete(&transaction, id).await?;
        let shown = (Some(audited::organisation(&before)), None);
        let record = audited::change(initiator, "organisation.delete", resource(id), shown, self.now());
        self.commit_effects(transaction, Effects { tell: vec![record], ..Effects::default() }).await?;
        Ok(())
    }
}

fn resource(id: OrganisationId) -> (&'static str, String) {
    ("organisation", id.to_string())
}

fn name_taken(error: StoreError) -> OrganisationError {
    match error {
        StoreError::Duplicate(_) => OrganisationError::NameTaken,
        error => OrganisationError::Store(error),
    }
}
