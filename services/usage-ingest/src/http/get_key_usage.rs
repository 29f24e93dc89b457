//! `GET /api/v1/usage/keys/{id}`: when a key was used first and last.

use actix_web::{get, web};
use maas_types::{KeyId, Timestamp};
use maas_web::{PathParam, Problem, Require, permission::ReadUsage};
use serde::Serialize;
use utoipa::ToSchema;

use super::{store_problem, usage_query::visibility};
use crate::{app::UsageState, service::questions};

#[derive(Debug, Serialize, ToSchema)]
pub struct KeyUsage {
    pub key_id: KeyId,
    /// Admission of the first request with this key.
    pub first_used_at: Timestamp,
    /// Admission of the latest request with this key.
    pub last_used_at: Timestamp,
}

/// Get the first and last use of a key
///
/// Sums for one key come from the usage summary with the filter `key_id`. Callers see their own keys and those that were
/// used for a team they own, admins all.
#[utoipa::path(
    operation_id = "getKeyUsage",
    tag = "usage",
    params(("id" = KeyId, Path, description = "The key")),
    responses(
        (status = 200, description = "When the key was used", body = KeyUsage),
        (status = 404, description = "The key was never used, or its usage is not yours to see")
    )
)]
#[get("/api/v1/usage/keys/{id}")]
pub async fn get_key_usage(
    state: web::Data<UsageState>,
    require: Require<ReadUsage>,
    PathParam(key_id): PathParam<KeyId>,
) -> Result<web::Json<KeyUsage>, Problem> {
    let found = questions::key_use(&state.database, key_id, &visibility(&require)).await.map_err(store_problem)?;
    let key_use = found.ok_or_else(|| Problem::not_found("usage of this key"))?;
    Ok(web::Json(KeyUsage { key_id, first_used_at: key_use.first, last_used_at: key_use.last }))
}
