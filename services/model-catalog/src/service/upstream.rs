//! Making, changing and deleting upstreams; sealing their secrets.

use maas_events::audit_entry::Actor;
use maas_http::check_url;
use maas_keys::{SealingKeys, credential_binding};
use maas_runtime::config::Secret;
use maas_store::{classify, outbox};
use maas_types::input::InputFault;
use maas_types::{ModelId, Timestamp, UpstreamId};

use super::{Catalog, CatalogError, change, refuse};
use crate::{
    domain::{
        credential::{NewCredential, UpstreamCredential},
        model::Model,
        upstream::{Upstream, origin, parse_base_url},
        upstream_fields::{CredentialChange, UpstreamFields},
    },
    events::Change,
    store,
};

impl Catalog {
    /// Every fault of the input, those included that depend on how this installation is set up.
    pub(super) fn check_upstream(
        &self,
        fields: &UpstreamFields,
        at: &str,
        is_new: bool,
        faults: &mut Vec<InputFault>,
    ) -> CredentialChange {
        let credential = fields.check(at, is_new, faults);
        let url = fields.base_url.as_deref().and_then(|url| parse_base_url(url).ok());
        if let Some(Err(blocked)) = url.map(|url| check_url(&self.guard, &url)) {
            faults.push(InputFault::new(format!("{at}/base_url"), "blocked_address", blocked.to_string()));
        }
        if matches!(credential, CredentialChange::Set(NewCredential::Secret(_))) && self.sealing.is_none() {
            let detail = "this installation has no encryption key for secrets: name a variable or a file";
            faults.push(InputFault::new(format!("{at}/credential/secret"), "not_configured", detail));
        }
        credential
    }

    pub(super) fn new_upstream(
        &self,
        model: &Model,
        fields: &UpstreamFields,
        credential: CredentialChange,
        now: Timestamp,
    ) -> Result<Upstream, CatalogError> {
        let mut upstream = Upstream::new(model.id, now);
        fields.apply(&model.name, &mut upstream);
        self.set_credential(&mut upstream, credential)?;
        Ok(upstream)
    }

    /// Puts the credential in. The base URL must be the final one: a secret is bound to its origin.
    pub(super) fn set_credential(&self, upstream: &mut Upstream, change: CredentialChange) -> Result<(), CatalogError> {
        upstream.credential = match change {
            CredentialChange::Keep => return Ok(()),
            CredentialChange::Remove => UpstreamCredential::None,
            CredentialChange::Set(NewCredential::Reference(reference)) => reference,
            CredentialChange::Set(NewCredential::Secret(secret)) => seal(self.sealing.as_ref(), upstream, &secret)?,
        };
        Ok(())
    }

    pub async fn create_upstream(
        &self,
        model: ModelId,
        fields: &UpstreamFields,
        actor: &Actor,
    ) -> Result<Upstream, CatalogError> {
        let now = self.clock.now();
        let mut faults = Vec::new();
        let credential = self.check_upstream(fields, "", true, &mut faults);
        refuse(faults)?;
        let transaction = self.database.begin().await?;
        let mut model = change::lock_model(&transaction, model).await?;
        let upstream = self.new_upstream(&model, fields, credential, now)?;
        store::upstream::insert(&transaction, &upstream).await?;
        change::save(&transaction, &mut model, now).await?;
        change::tell_proxies(&transaction, &model, now).await?;
        let audit = audit(actor, "upstream.create", None, Some(&upstream));
        outbox::append(&transaction, [audit.to_delivery(now)], now).await?;
        transaction.commit().await.map_err(classify)?;
        self.announce();
        Ok(upstream)
    }

    pub async fn update_upstream(
        &self,
        id: UpstreamId,
        fields: &UpstreamFields,
        seen: Option<u64>,
        actor: &Actor,
    ) -> Result<Upstream, CatalogError> {
        let now = self.clock.now();
        let mut faults = Vec::new();
        let credential = self.check_upstream(fields, "", false, &mut faults);
        refuse(faults)?;
        let transaction = self.database.begin().await?;
        let (mut model, before) = lock_upstream(&transaction, id).await?;
        if seen.is_some_and(|seen| seen != before.version) {
            return Err(CatalogError::Outdated);
        }
        let mut upstream = before.clone();
        fields.apply(&model.name, &mut upstream);
        drop_foreign_secret(&before, &mut upstream);
        self.set_credential(&mut upstream, credential)?;
        if upstream == before {
            return Ok(upstream);
        }
        let mut faults = Vec::new();
        upstream.check_dialect("", &mut faults);
        refuse(faults)?;
        upstream.version += 1;
        upstream.updated_at = now;
        store::upstream::update(&transaction, &upstream).await?;
        change::save(&transaction, &mut model, now).await?;
        change::tell_proxies(&transaction, &model, now).await?;
        let audit = audit(actor, "upstream.update", Some(&before), Some(&upstream));
        outbox::append(&transaction, [audit.to_delivery(now)], now).await?;
        transaction.commit().await.map_err(classify)?;
        self.announce();
        Ok(upstream)
    }

    pub async fn delete_upstream(&self, id: UpstreamId, seen: Option<u64>, actor: &Actor) -> Result<(), CatalogError> {
        let now = self.clock.now();
        let transaction = self.database.begin().await?;
        let (mut model, upstream) = lock_upstream(&transaction, id).await?;
        if seen.is_some_and(|seen| seen != upstream.version) {
            return Err(CatalogError::Outdated);
        }
        store::upstream::delete(&transaction, id).await?;
        change::save(&transaction, &mut model, now).await?;
        change::tell_proxies(&transaction, &model, now).await?;
        let audit = audit(actor, "upstream.delete", Some(&upstream), None);
        outbox::append(&transaction, [audit.to_delivery(now)], now).await?;
        transaction.commit().await.map_err(classify)?;
        self.announce();
        Ok(())
    }
}

/// A secret goes to the origin it was given for and to no other. The stored ciphertext would not open there anyway.
pub fn drop_foreign_secret(before: &Upstream, after: &mut Upstream) {
    let is_sealed = matches!(after.credential, UpstreamCredential::Sealed(_));
    if is_sealed && origin(&before.base_url) != origin(&after.base_url) {
        after.credential = UpstreamCredential::None;
    }
}

/// The upstream and its model; the model's lock covers both, and the upstream is read under it.
async fn lock_upstream(
    transaction: &sea_orm::DatabaseTransaction,
    id: UpstreamId,
) -> Result<(Model, Upstream), CatalogError> {
    let missing = || CatalogError::NotFound("upstream");
    let unlocked = store::upstream::find(transaction, id).await?.ok_or_else(missing)?;
    let model = store::model::find_locked(transaction, unlocked.model_id).await?.ok_or_else(missing)?;
    let upstream = store::upstream::find(transaction, id).await?.ok_or_else(missing)?;
    Ok((model, upstream))
}

fn seal(keys: Option<&SealingKeys>, upstream: &Upstream, secret: &Secret) -> Result<UpstreamCredential, CatalogError> {
    let keys = keys.ok_or(maas_keys::SealingError::UnknownVersion(0))?;
    let (scheme, authority) = origin(&upstream.base_url);
    let bound_to = credential_binding(&upstream.id.to_string(), scheme, authority);
    Ok(UpstreamCredential::Sealed(keys.seal(secret.expose().as_bytes(), bound_to.as_bytes())?))
}

/// The audit record of a change of an upstream.
pub fn audit<'a>(
    actor: &'a Actor,
    action: &'static str,
    before: Option<&'a Upstream>,
    after: Option<&'a Upstream>,
) -> Change<'a, Upstream> {
    let id = after.or(before).map(|upstream| upstream.id.to_string()).unwrap_or_default();
    Change { actor, action, resource_kind: "upstream", resource_id: id, before, after }
}
