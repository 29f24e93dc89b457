//! Adding price versions.

use maas_events::audit_entry::Actor;
use maas_store::{StoreError, classify, outbox};
use maas_types::{ModelId, PriceId, PriceRates, Timestamp};

use super::{Catalog, CatalogError, change, refuse};
use crate::{
    domain::price::{Price, PriceInput},
    events::Change,
    store,
};

impl Catalog {
    pub(super) fn new_price(
        &self,
        model_id: ModelId,
        effective_from: Timestamp,
        rates: PriceRates,
        actor: &Actor,
        now: Timestamp,
    ) -> Price {
        let id = PriceId::new_at(now);
        Price {
            id,
            model_id,
            effective_from,
            currency: self.currency,
            rates,
            created_at: now,
            created_by: actor.user_id(),
        }
    }

    pub async fn create_price(&self, model: ModelId, input: &PriceInput, actor: &Actor) -> Result<Price, CatalogError> {
        let now = self.clock.now();
        let mut faults = Vec::new();
        let (effective_from, rates) = input.checked("", self.currency, now, &mut faults);
        refuse(faults)?;
        let transaction = self.database.begin().await?;
        let mut model = change::lock_model(&transaction, model).await?;
        let price = self.new_price(model.id, effective_from, rates, actor, now);
        match store::price::insert(&transaction, &price).await {
            Err(StoreError::Duplicate(_)) => {
                let detail = format!("a version begins at {effective_from} already, and versions are never edited");
                return Err(CatalogError::Conflict(detail));
            }
            result => result?,
        }
        change::save(&transaction, &mut model, now).await?;
        change::tell_proxies(&transaction, &model, now).await?;
        let audit = audit(actor, &price);
        outbox::append(&transaction, [audit.to_delivery(now)], now).await?;
        transaction.commit().await.map_err(classify)?;
        self.announce();
        Ok(price)
    }
}

/// The audit record of a new version.
pub(super) fn audit<'a>(actor: &'a Actor, price: &'a Price) -> Change<'a, Price> {
    Change {
        actor,
        action: "price.create",
        resource_kind: "price",
        resource_id: price.id.to_string(),
        before: None,
        after: Some(price),
    }
}
