//! What every change of a model has in common: its version grows by one, and the proxies are told the whole of it.

use maas_store::outbox;
use maas_types::{ModelId, Timestamp};
use sea_orm::DatabaseTransaction;

use super::CatalogError;
use crate::{
    domain::model::Model,
    events::{WholeModel, state_delivery},
    store,
};

/// The model for a change, locked until the transaction ends.
pub async fn lock_model(transaction: &DatabaseTransaction, id: ModelId) -> Result<Model, CatalogError> {
    store::model::find_locked(transaction, id).await?.ok_or(CatalogError::NotFound("model"))
}

/// Writes the model under its next version.
pub async fn save(transaction: &DatabaseTransaction, model: &mut Model, now: Timestamp) -> Result<(), CatalogError> {
    model.version += 1;
    model.updated_at = now;
    if store::model::update(transaction, model).await? { Ok(()) } else { Err(CatalogError::Outdated) }
}

/// Tells the proxies what the model is now. The last thing before the audit record and the commit.
pub async fn tell_proxies(
    transaction: &DatabaseTransaction,
    model: &Model,
    now: Timestamp,
) -> Result<(), CatalogError> {
    let whole = WholeModel {
        upstreams: store::upstream::of_models(transaction, &[model.id]).await?,
        prices: store::price::of_models(transaction, &[model.id]).await?,
        model: model.clone(),
    };
    outbox::append(transaction, [state_delivery(&whole.to_state())], now).await?;
    Ok(())
}
