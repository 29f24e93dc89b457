//! Models.

use maas_store::{
    StoreError,
    ids::{parsed_from_db, time_from_db, unsigned_from_db, unsigned_to_db},
};
use maas_types::{ModelId, SourceId};

use super::{json_from_db, json_to_db, small};
use crate::{
    domain::{
        model::{Model, ModelKind, ModelLifecycle, SourceReference},
        routing::{ModelAffinity, ModelRouting},
    },
    store::entity::models,
};

const MODELS: &str = "models";

pub fn model_from_db(row: models::Model) -> Result<Model, StoreError> {
    let id = row.id;
    let list = |column, text: &str| json_from_db::<Vec<String>>(MODELS, column, id, text);
    Ok(Model {
        id: ModelId::from_uuid(id),
        version: unsigned_from_db(MODELS, "version", id, row.version)?,
        aliases: list("aliases", &row.aliases)?,
        capabilities: list("capabilities", &row.capabilities)?,
        tags: list("tags", &row.tags)?,
        kind: parsed_from_db(MODELS, "kind", id, ModelKind::parse(&row.kind))?,
        lifecycle: parsed_from_db(MODELS, "lifecycle", id, ModelLifecycle::parse(&row.lifecycle))?,
        routing: parsed_from_db(MODELS, "routing", id, ModelRouting::parse(&row.routing))?,
        affinity: parsed_from_db(MODELS, "affinity", id, ModelAffinity::parse(&row.affinity))?,
        fallbacks: list("fallbacks", &row.fallbacks)?,
        context_fallbacks: list("context_fallbacks", &row.context_fallbacks)?,
        context_length: small(MODELS, "context_length", id, row.context_length)?,
        max_output_tokens: small(MODELS, "max_output_tokens", id, row.max_output_tokens)?,
        source: row.source_id.zip(row.source_key).map(|(id, key)| SourceReference { id: SourceId::from_uuid(id), key }),
        name: row.name,
        display_name: row.display_name,
        description: row.description,
        provider: row.provider,
        family: row.family,
        category: row.category,
        owner: row.owner,
        licence: row.licence,
        enabled: row.enabled,
        restricted: row.restricted,
        available: row.available,
        created_at: time_from_db(row.created_at),
        updated_at: time_from_db(row.updated_at),
    })
}

pub fn model_to_db(model: &Model) -> models::Model {
    models::Model {
        id: model.id.uuid(),
        version: unsigned_to_db(model.version),
        name: model.name.clone(),
        display_name: model.display_name.clone(),
        description: model.description.clone(),
        aliases: json_to_db(&model.aliases, "[]"),
        provider: model.provider.clone(),
        family: model.family.clone(),
        category: model.category.clone(),
        kind: model.kind.as_str().to_owned(),
        capabilities: json_to_db(&model.capabilities, "[]"),
        context_length: i64::from(model.context_length),
        max_output_tokens: i64::from(model.max_output_tokens),
        owner: model.owner.clone(),
        licence: model.licence.clone(),
        tags: json_to_db(&model.tags, "[]"),
        lifecycle: model.lifecycle.as_str().to_owned(),
        enabled: model.enabled,
        restricted: model.restricted,
        available: model.available,
        routing: model.routing.as_str().to_owned(),
        affinity: model.affinity.as_str().to_owned(),
        fallbacks: json_to_db(&model.fallbacks, "[]"),
        context_fallbacks: json_to_db(&model.context_fallbacks, "[]"),
        source_id: model.source.as_ref().map(|source| source.id.uuid()),
        source_key: model.source.as_ref().map(|source| source.key.clone()),
        created_at: model.created_at.unix_ms(),
        updated_at: model.updated_at.unix_ms(),
    }
}
