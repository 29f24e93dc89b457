//! Lists of models.

use maas_store::{StoreError, classify};
use maas_types::{ModelId, PageLimit};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _, Select,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    convert::model_from_db,
    entity::{
        models::{Column, Entity},
        upstreams,
    },
};
use crate::domain::model::{Model, ModelLifecycle, ModelStatus};

/// The sort key of the last row of a page.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ModelPosition(pub i64, pub Uuid);

impl ModelPosition {
    pub fn of(model: &Model) -> Self {
        Self(model.created_at.unix_ms(), model.id.uuid())
    }
}

#[derive(Debug, Clone, Default)]
pub struct ModelFilter {
    /// Only what is offered to users.
    pub offered_only: bool,
    pub status: Option<ModelStatus>,
    /// Only these names; `None`: all.
    pub names: Option<Vec<String>>,
}

/// Newest first. One row more than the limit, if there is one, says that there is a next page.
pub async fn page(
    connection: &impl ConnectionTrait,
    filter: ModelFilter,
    limit: PageLimit,
    after: Option<ModelPosition>,
) -> Result<Vec<Model>, StoreError> {
    let mut query = filtered(filter);
    if let Some(ModelPosition(created_at, id)) = after {
        let same_time = Condition::all().add(Column::CreatedAt.eq(created_at)).add(Column::Id.lt(id));
        query = query.filter(Condition::any().add(Column::CreatedAt.lt(created_at)).add(same_time));
    }
    let query = query.order_by_desc(Column::CreatedAt).order_by_desc(Column::Id).limit(u64::from(limit.get()) + 1);
    let rows = query.all(connection).await.map_err(classify)?;
    rows.into_iter().map(model_from_db).collect()
}

/// All of them by name, for the OpenAI-style list.
pub async fn all(connection: &impl ConnectionTrait, filter: ModelFilter) -> Result<Vec<Model>, StoreError> {
    let rows = filtered(filter).order_by_asc(Column::Name).all(connection).await.map_err(classify)?;
    rows.into_iter().map(model_from_db).collect()
}

/// Up to `limit` models behind `after` by id: a walk over everything in steps.
pub async fn by_id_after(
    connection: &impl ConnectionTrait,
    after: Option<ModelId>,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let mut query = Entity::find();
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(after.uuid()));
    }
    let rows = query.order_by_asc(Column::Id).limit(limit).all(connection).await.map_err(classify)?;
    rows.into_iter().map(model_from_db).collect()
}

fn filtered(filter: ModelFilter) -> Select<Entity> {
    let mut query = Entity::find();
    if filter.offered_only {
        query = query.filter(enabled()).filter(Column::Available.eq(true));
    }
    if let Some(names) = filter.names {
        query = query.filter(Column::Name.is_in(names));
    }
    let served = upstreams::Entity::find()
        .select_only()
        .column(upstreams::Column::ModelId)
        .filter(upstreams::Column::Enabled.eq(true))
        .filter(upstreams::Column::Mirror.eq(false))
        .into_query();
    match filter.status {
        None => query,
        Some(ModelStatus::Disabled) => query.filter(enabled().not()),
        Some(ModelStatus::Unavailable) => query.filter(enabled()).filter(Column::Available.eq(false)),
        Some(ModelStatus::Ready) => {
            query.filter(enabled()).filter(Column::Available.eq(true)).filter(Column::Id.in_subquery(served))
        }
        Some(ModelStatus::Degraded) => {
            query.filter(enabled()).filter(Column::Available.eq(true)).filter(Column::Id.not_in_subquery(served))
        }
    }
}

fn enabled() -> Condition {
    Condition::all().add(Column::Enabled.eq(true)).add(Column::Lifecycle.ne(ModelLifecycle::Disabled.as_str()))
}
