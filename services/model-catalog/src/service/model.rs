//! Making, changing and deleting models.

use maas_events::audit_entry::Actor;
use maas_store::{StoreError, classify, outbox};
use maas_types::ModelId;
use maas_types::input::InputFault;

use super::{Catalog, CatalogError, change, price, refuse, upstream};
use crate::{
    domain::{
        model::Model,
        model_fields::ModelFields,
        price::PriceInput,
        text::check_model_name,
        upstream_fields::{CredentialChange, UpstreamFields},
    },
    events::{Change, state_delivery},
    store::{self, tombstone::Tombstone},
};

const MAX_UPSTREAMS: usize = 50;

#[derive(Debug)]
pub struct CreateModelInput {
    pub name: String,
    pub fields: ModelFields,
    pub upstreams: Vec<UpstreamFields>,
    pub price: Option<PriceInput>,
}

impl Catalog {
    pub async fn create_model(&self, input: CreateModelInput, actor: &Actor) -> Result<Model, CatalogError> {
        let now = self.clock.now();
        let mut faults = Vec::new();
        check_model_name("/name", &input.name, &mut faults);
        input.fields.check("", &mut faults);
        let credentials = self.check_upstreams(&input.upstreams, &mut faults);
        let first_price = input.price.as_ref().map(|price| price.checked("/price", self.currency, now, &mut faults));
        let mut model = Model::new(input.name.clone(), now);
        input.fields.apply(&mut model);
        model.check_fallbacks("", &mut faults);
        refuse(faults)?;

        let transaction = self.database.begin().await?;
        if store::model::is_name_taken(&transaction, &model.name).await? {
            return Err(CatalogError::NameTaken(input.name));
        }
        match store::model::insert(&transaction, &model).await {
            // Another request was faster.
            Err(StoreError::Duplicate(_)) => return Err(CatalogError::NameTaken(input.name)),
            result => result?,
        }
        let mut deliveries = vec![audit(actor, "model.create", None, Some(&model)).to_delivery(now)];
        for (fields, credential) in input.upstreams.iter().zip(credentials) {
            let upstream = self.new_upstream(&model, fields, credential, now)?;
            store::upstream::insert(&transaction, &upstream).await?;
            deliveries.push(upstream::audit(actor, "upstream.create", None, Some(&upstream)).to_delivery(now));
        }
        if let Some((effective_from, rates)) = first_price {
            let price = self.new_price(model.id, effective_from, rates, actor, now);
            store::price::insert(&transaction, &price).await?;
            deliveries.push(price::audit(actor, &price).to_delivery(now));
        }
        change::tell_proxies(&transaction, &model, now).await?;
        outbox::append(&transaction, deliveries, now).await?;
        transaction.commit().await.map_err(classify)?;
        self.announce();
        Ok(model)
    }

    fn check_upstreams(&self, upstreams: &[UpstreamFields], faults: &mut Vec<InputFault>) -> Vec<CredentialChange> {
        if upstreams.len() > MAX_UPSTREAMS {
            faults.push(InputFault::new("/upstreams", "too_many", format!("at most {MAX_UPSTREAMS}")));
        }
        // As with a model's lists: those beyond have no faults of their own.
        let upstreams = upstreams.iter().take(MAX_UPSTREAMS).enumerate();
        upstreams
            .map(|(index, fields)| self.check_upstream(fields, &format!("/upstreams/{index}"), true, faults))
            .collect()
    }

    pub async fn update_model(
        &self,
        id: ModelId,
        fields: &ModelFields,
        seen: Option<u64>,
        actor: &Actor,
    ) -> Result<Model, CatalogError> {
        let now = self.clock.now();
        let mut faults = Vec::new();
        fields.check("", &mut faults);
        refuse(faults)?;
        let transaction = self.database.begin().await?;
        let before = change::lock_model(&transaction, id).await?;
        if seen.is_some_and(|seen| seen != before.version) {
            return Err(CatalogError::Outdated);
        }
        let mut model = before.clone();
        fields.apply(&mut model);
        if model == before {
            return Ok(model);
        }
        let mut faults = Vec::new();
        model.check_fallbacks("", &mut faults);
        refuse(faults)?;
        change::save(&transaction, &mut model, now).await?;
        change::tell_proxies(&transaction, &model, now).await?;
        let audit = audit(actor, "model.update", Some(&before), Some(&model));
        outbox::append(&transaction, [audit.to_delivery(now)], now).await?;
        transaction.commit().await.map_err(classify)?;
        self.announce();
        Ok(model)
    }

    /// Deletes the model with its upstreams and prices; a tombstone stays for the proxies. A model that its source
    /// still offers is refused: it would be back with the next run.
    pub async fn delete_model(&self, id: ModelId, seen: Option<u64>, actor: &Actor) -> Result<(), CatalogError> {
        let now = self.clock.now();
        let transaction = self.database.begin().await?;
        let model = change::lock_model(&transaction, id).await?;
        if seen.is_some_and(|seen| seen != model.version) {
            return Err(CatalogError::Outdated);
        }
        if model.source.is_some() && model.available {
            let detail = "its source still offers this model and would bring it back: switch it off instead";
            return Err(CatalogError::Conflict(detail.to_owned()));
        }
        store::model::delete(&transaction, id).await?;
        let tombstone = Tombstone { id, version: model.version + 1, name: model.name.clone(), deleted_at: now };
        store::tombstone::insert(&transaction, &tombstone).await?;
        let audit = audit(actor, "model.delete", Some(&model), None);
        let deliveries = [state_delivery(&tombstone.to_state()), audit.to_delivery(now)];
        outbox::append(&transaction, deliveries, now).await?;
        transaction.commit().await.map_err(classify)?;
        self.announce();
        Ok(())
    }
}

/// The audit record of a change of a model.
pub fn audit<'a>(
    actor: &'a Actor,
    action: &'static str,
    before: Option<&'a Model>,
    after: Option<&'a Model>,
) -> Change<'a, Model> {
    let id = after.or(before).map(|model| model.id.to_string()).unwrap_or_default();
    Change { actor, action, resource_kind: "model", resource_id: id, before, after }
}
