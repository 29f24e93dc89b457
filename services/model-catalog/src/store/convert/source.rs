//! Discovery sources.

use maas_store::{
    StoreError,
    ids::{parsed_from_db, time_from_db},
};
use maas_types::SourceId;

use super::{json_from_db, json_to_db};
use crate::{
    domain::source::{Source, SourceKind},
    store::entity::sources,
};

const SOURCES: &str = "sources";

pub fn source_from_db(row: sources::Model) -> Result<Source, StoreError> {
    let id = row.id;
    let result = row.last_result.as_deref().map(serde_json::from_str).transpose();
    Ok(Source {
        id: SourceId::from_uuid(id),
        kind: parsed_from_db(SOURCES, "kind", id, SourceKind::parse(&row.kind))?,
        settings: json_from_db(SOURCES, "settings", id, &row.settings)?,
        last_result: parsed_from_db(SOURCES, "last_result", id, result.ok())?,
        name: row.name,
        location: row.location,
        credential_variable: row.credential_variable,
        instance: row.instance,
        configured: row.configured,
        last_run_at: row.last_run_at.map(time_from_db),
        last_success_at: row.last_success_at.map(time_from_db),
        last_error: row.last_error,
        created_at: time_from_db(row.created_at),
    })
}

pub fn source_to_db(source: &Source) -> sources::Model {
    sources::Model {
        id: source.id.uuid(),
        name: source.name.clone(),
        kind: source.kind.as_str().to_owned(),
        location: source.location.clone(),
        credential_variable: source.credential_variable.clone(),
        instance: source.instance.clone(),
        settings: json_to_db(&source.settings, "{}"),
        configured: source.configured,
        last_run_at: source.last_run_at.map(|time| time.unix_ms()),
        last_success_at: source.last_success_at.map(|time| time.unix_ms()),
        last_result: source.last_result.and_then(|result| serde_json::to_string(&result).ok()),
        last_error: source.last_error.clone(),
        created_at: source.created_at.unix_ms(),
    }
}
