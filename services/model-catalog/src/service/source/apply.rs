//! Bringing the catalogue in line with what a source offers, in one transaction. Never destructive: a model that is
//! not offered any more becomes unavailable and keeps everything else.

use std::collections::HashMap;

use maas_events::audit_entry::Actor;
use maas_store::{classify, outbox};
use maas_types::{ModelId, Timestamp};
use sea_orm::DatabaseTransaction;

use super::{Catalog, CatalogError};
use crate::{
    domain::{
        fault,
        model::{Model, SourceReference},
        price::{self, Price, PriceInput},
        source::{NewModels, OfferedModel, OfferedPrice, Source, SyncAction, SyncOutcome},
        text::check_model_name,
        upstream::Upstream,
        upstream_fields::{CredentialChange, UpstreamFields},
    },
    service::{change, model::audit, price as price_service, upstream as upstream_service},
    store,
};

/// What one run works with.
struct Run<'a> {
    transaction: &'a DatabaseTransaction,
    source: &'a Source,
    actor: Actor,
    now: Timestamp,
}

impl Catalog {
    pub(super) async fn apply(
        &self,
        source: &Source,
        offered: Vec<OfferedModel>,
        dry_run: bool,
    ) -> Result<SyncOutcome, CatalogError> {
        let transaction = self.database.begin().await?;
        let run = Run {
            transaction: &transaction,
            source,
            actor: Actor::system(format!("source {}", source.name)),
            now: self.clock.now(),
        };
        let outcome = self.apply_all(&run, offered).await?;
        // A dry run does everything and keeps nothing, so that it cannot differ from the real one.
        if dry_run {
            transaction.rollback().await.map_err(classify)?;
            return Ok(outcome);
        }
        transaction.commit().await.map_err(classify)?;
        if !outcome.changes.is_empty() {
            self.announce();
        }
        Ok(outcome)
    }

    async fn apply_all(&self, run: &Run<'_>, offered: Vec<OfferedModel>) -> Result<SyncOutcome, CatalogError> {
        let mut outcome = SyncOutcome::default();
        let models = store::model::of_source_locked(run.transaction, run.source.id).await?;
        let ids: Vec<ModelId> = models.iter().map(|model| model.id).collect();
        let mut upstreams: HashMap<ModelId, Vec<Upstream>> = HashMap::new();
        for upstream in store::upstream::of_models(run.transaction, &ids).await? {
            upstreams.entry(upstream.model_id).or_default().push(upstream);
        }
        let mut prices: HashMap<ModelId, Vec<Price>> = HashMap::new();
        for price in store::price::of_models(run.transaction, &ids).await? {
            prices.entry(price.model_id).or_default().push(price);
        }
        let key_of = |model: &Model| model.source.as_ref().map(|source| source.key.clone()).unwrap_or_default();
        let mut known: HashMap<String, Model> = models.into_iter().map(|model| (key_of(&model), model)).collect();
        for offer in offered {
            match known.remove(&offer.key) {
                Some(model) => {
                    let upstreams = upstreams.remove(&model.id).unwrap_or_default();
                    let prices = prices.remove(&model.id).unwrap_or_default();
                    self.refresh(run, model, upstreams, prices, &offer, &mut outcome).await?;
                }
                None => self.add(run, &offer, &mut outcome).await?,
            }
        }
        let mut gone: Vec<Model> = known.into_values().filter(|model| model.available).collect();
        gone.sort_by(|one, other| one.name.cmp(&other.name));
        for model in gone {
            self.withdraw(run, model, &mut outcome).await?;
        }
        Ok(outcome)
    }

    async fn add(&self, run: &Run<'_>, offer: &OfferedModel, outcome: &mut SyncOutcome) -> Result<(), CatalogError> {
        let name = match free_name(run, &offer.key).await? {
            Ok(name) => name,
            Err(reason) => {
                outcome.note(&offer.key, SyncAction::Skipped, Some(reason));
                return Ok(());
            }
        };
        let mut model = Model::new(name, run.now);
        model.source = Some(SourceReference { id: run.source.id, key: offer.key.clone() });
        match run.source.settings.new_models {
            NewModels::Enabled => {}
            NewModels::Restricted => model.restricted = true,
            NewModels::Disabled => model.enabled = false,
        }
        offer.first.apply(&mut model);
        offer.owned.apply(&mut model);
        store::model::insert(run.transaction, &model).await?;
        self.match_upstreams(run, &model, Vec::new(), &offer.upstreams).await?;
        self.match_price(run, model.id, &[], &offer.price).await?;
        change::tell_proxies(run.transaction, &model, run.now).await?;
        tell_audit(run, "model.create", None, &model).await?;
        outcome.note(&model.name, SyncAction::Created, None);
        Ok(())
    }

    async fn refresh(
        &self,
        run: &Run<'_>,
        before: Model,
        upstreams: Vec<Upstream>,
        prices: Vec<Price>,
        offer: &OfferedModel,
        outcome: &mut SyncOutcome,
    ) -> Result<(), CatalogError> {
        let mut model = before.clone();
        offer.owned.apply(&mut model);
        model.available = true;
        let upstreams_changed = self.match_upstreams(run, &model, upstreams, &offer.upstreams).await?;
        let price_changed = self.match_price(run, model.id, &prices, &offer.price).await?;
        if model == before && !upstreams_changed && !price_changed {
            outcome.counts.unchanged += 1;
            return Ok(());
        }
        change::save(run.transaction, &mut model, run.now).await?;
        change::tell_proxies(run.transaction, &model, run.now).await?;
        tell_audit(run, "model.update", Some(&before), &model).await?;
        let action = if before.available { SyncAction::Updated } else { SyncAction::Returned };
        outcome.note(&model.name, action, None);
        Ok(())
    }

    async fn withdraw(&self, run: &Run<'_>, before: Model, outcome: &mut SyncOutcome) -> Result<(), CatalogError> {
        let mut model = before.clone();
        model.available = false;
        change::save(run.transaction, &mut model, run.now).await?;
        change::tell_proxies(run.transaction, &model, run.now).await?;
        tell_audit(run, "model.update", Some(&before), &model).await?;
        outcome.note(&model.name, SyncAction::Vanished, None);
        Ok(())
    }

    /// Makes the source's upstreams of this model what is offered; those that people added are not touched. True when
    /// anything changed.
    async fn match_upstreams(
        &self,
        run: &Run<'_>,
        model: &Model,
        upstreams: Vec<Upstream>,
        offered: &[UpstreamFields],
    ) -> Result<bool, CatalogError> {
        let mut owned: Vec<Upstream> =
            upstreams.into_iter().filter(|upstream| upstream.source_id == Some(run.source.id)).collect();
        let mut changed = false;
        for fields in offered {
            let credential = fields.check("", true, &mut Vec::new());
            let mut wanted = self.new_upstream(model, fields, credential.clone(), run.now)?;
            wanted.source_id = Some(run.source.id);
            let Some(position) = same_upstream(&owned, &wanted) else {
                store::upstream::insert(run.transaction, &wanted).await?;
                tell_upstream_audit(run, "upstream.create", None, Some(&wanted)).await?;
                changed = true;
                continue;
            };
            changed |= self.refresh_upstream(run, model, owned.remove(position), fields, credential).await?;
        }
        for left in &owned {
            store::upstream::delete(run.transaction, left.id).await?;
            tell_upstream_audit(run, "upstream.delete", Some(left), None).await?;
            changed = true;
        }
        Ok(changed)
    }

    async fn refresh_upstream(
        &self,
        run: &Run<'_>,
        model: &Model,
        before: Upstream,
        fields: &UpstreamFields,
        credential: CredentialChange,
    ) -> Result<bool, CatalogError> {
        let mut upstream = before.clone();
        fields.apply(&model.name, &mut upstream);
        upstream_service::drop_foreign_secret(&before, &mut upstream);
        self.set_credential(&mut upstream, credential)?;
        if upstream == before {
            return Ok(false);
        }
        upstream.version += 1;
        upstream.updated_at = run.now;
        store::upstream::update(run.transaction, &upstream).await?;
        tell_upstream_audit(run, "upstream.update", Some(&before), Some(&upstream)).await?;
        Ok(true)
    }

    async fn match_price(
        &self,
        run: &Run<'_>,
        model: ModelId,
        prices: &[Price],
        offered: &OfferedPrice,
    ) -> Result<bool, CatalogError> {
        let rates = |input: &PriceInput| input.rates("", &mut Vec::new());
        let rates = match offered {
            OfferedPrice::Default(input) if prices.is_empty() => rates(input),
            OfferedPrice::Owned(input) => {
                let rates = rates(input);
                if price::in_force(prices, run.now).is_some_and(|current| current.rates == rates) {
                    return Ok(false);
                }
                rates
            }
            OfferedPrice::None | OfferedPrice::Default(_) => return Ok(false),
        };
        let mut effective_from = run.now;
        while prices.iter().any(|price| price.effective_from == effective_from) {
            effective_from = Timestamp::from_unix_ms(effective_from.unix_ms().saturating_add(1));
        }
        let price = self.new_price(model, effective_from, rates, &run.actor, run.now);
        store::price::insert(run.transaction, &price).await?;
        let audit = price_service::audit(&run.actor, &price).to_delivery(run.now);
        outbox::append(run.transaction, [audit], run.now).await?;
        Ok(true)
    }
}

/// The name for a new model: its own, or with the source in front when that is taken; two models are never merged.
async fn free_name(run: &Run<'_>, key: &str) -> Result<Result<String, String>, CatalogError> {
    for name in [key.to_owned(), format!("{}/{key}", run.source.name)] {
        let mut faults = Vec::new();
        check_model_name("/id", &name, &mut faults);
        if !faults.is_empty() {
            return Ok(Err(fault::join(&faults)));
        }
        if !store::model::is_name_taken(run.transaction, &name).await? {
            return Ok(Ok(name));
        }
    }
    Ok(Err("its name and the name with the source in front are both taken".to_owned()))
}

/// The row that an offered upstream is about: the same name, and among several of them the same URL.
fn same_upstream(owned: &[Upstream], wanted: &Upstream) -> Option<usize> {
    let named = |upstream: &Upstream| upstream.name == wanted.name;
    let exact = owned.iter().position(|upstream| named(upstream) && upstream.base_url == wanted.base_url);
    exact.or_else(|| owned.iter().position(named))
}

async fn tell_audit(
    run: &Run<'_>,
    action: &'static str,
    before: Option<&Model>,
    after: &Model,
) -> Result<(), CatalogError> {
    let audit = audit(&run.actor, action, before, Some(after));
    outbox::append(run.transaction, [audit.to_delivery(run.now)], run.now).await?;
    Ok(())
}

async fn tell_upstream_audit(
    run: &Run<'_>,
    action: &'static str,
    before: Option<&Upstream>,
    after: Option<&Upstream>,
) -> Result<(), CatalogError> {
    let audit = upstream_service::audit(&run.actor, action, before, after);
    outbox::append(run.transaction, [audit.to_delivery(run.now)], run.now).await?;
    Ok(())
}
