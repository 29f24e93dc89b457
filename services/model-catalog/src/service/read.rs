//! Reading the catalogue, outside any transaction.

use std::collections::HashMap;

use maas_types::{ModelId, PageLimit, SourceId};

use super::{Catalog, CatalogError};
use crate::{
    domain::{model::Model, price::Price, source::Source, upstream::Upstream},
    events::WholeModel,
    store::{
        self,
        model_page::{ModelFilter, ModelPosition},
        tombstone::Tombstone,
    },
};

/// How many models a walk over everything takes at a time.
const STEP: u64 = 500;

/// A page and where the next one starts.
#[derive(Debug)]
pub struct ModelPage {
    pub models: Vec<WholeModel>,
    pub next: Option<ModelPosition>,
}

impl Catalog {
    pub async fn list_models(
        &self,
        filter: ModelFilter,
        limit: PageLimit,
        after: Option<ModelPosition>,
    ) -> Result<ModelPage, CatalogError> {
        let mut models = store::model_page::page(self.database.reader(), filter, limit, after).await?;
        let size = usize::try_from(limit.get()).unwrap_or(usize::MAX);
        let has_more = models.len() > size;
        models.truncate(size);
        let next = models.last().filter(|_| has_more).map(ModelPosition::of);
        Ok(ModelPage { models: self.complete(models).await?, next })
    }

    /// Everything a caller may see, by name.
    pub async fn all_models(&self, filter: ModelFilter) -> Result<Vec<WholeModel>, CatalogError> {
        let models = store::model_page::all(self.database.reader(), filter).await?;
        self.complete(models).await
    }

    pub async fn model(&self, id: ModelId) -> Result<WholeModel, CatalogError> {
        let model = store::model::find(self.database.reader(), id).await?.ok_or(CatalogError::NotFound("model"))?;
        self.complete(vec![model]).await?.pop().ok_or(CatalogError::NotFound("model"))
    }

    /// The models behind `after` by id, a step of a walk over all of them.
    pub async fn models_after(&self, after: Option<ModelId>) -> Result<Vec<WholeModel>, CatalogError> {
        let models = store::model_page::by_id_after(self.database.reader(), after, STEP).await?;
        self.complete(models).await
    }

    pub async fn tombstones(&self) -> Result<Vec<Tombstone>, CatalogError> {
        Ok(store::tombstone::all(self.database.reader()).await?)
    }

    pub async fn sources(&self) -> Result<Vec<Source>, CatalogError> {
        Ok(store::source::all(self.database.reader()).await?)
    }

    pub async fn source(&self, id: SourceId) -> Result<Source, CatalogError> {
        store::source::find(self.database.reader(), id).await?.ok_or(CatalogError::NotFound("source"))
    }

    async fn complete(&self, models: Vec<Model>) -> Result<Vec<WholeModel>, CatalogError> {
        let mut whole = Vec::with_capacity(models.len());
        // In steps: databases limit how many values one statement may hold.
        for step in models.chunks(usize::try_from(STEP).unwrap_or(1)) {
            let ids: Vec<ModelId> = step.iter().map(|model| model.id).collect();
            let reader = self.database.reader();
            let mut upstreams: HashMap<ModelId, Vec<Upstream>> = HashMap::new();
            for upstream in store::upstream::of_models(reader, &ids).await? {
                upstreams.entry(upstream.model_id).or_default().push(upstream);
            }
            let mut prices: HashMap<ModelId, Vec<Price>> = HashMap::new();
            for price in store::price::of_models(reader, &ids).await? {
                prices.entry(price.model_id).or_default().push(price);
            }
            whole.extend(step.iter().map(|model| WholeModel {
                model: model.clone(),
                upstreams: upstreams.remove(&model.id).unwrap_or_default(),
                prices: prices.remove(&model.id).unwrap_or_default(),
            }));
        }
        Ok(whole)
    }
}
