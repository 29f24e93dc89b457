use actix_web::{HttpResponse, get, web};
use maas_types::GroupMappingId;
use maas_web::{PathParam, Problem, Require, etag, permission::ReadGroupMappings};

use super::{group_mapping_view::GroupMappingView, store_problem};
use crate::app::AuthState;

/// Get a group mapping
#[utoipa::path(
    tag = "group-mappings",
    operation_id = "getGroupMapping",
    params(("id" = GroupMappingId, Path, description = "The mapping")),
    responses(
        (status = 200, description = "The mapping; the ETag is for changes", body = GroupMappingView),
        (status = 404, description = "No such mapping"),
    )
)]
#[get("/api/v1/group-mappings/{id}")]
pub async fn get_group_mapping(
    _require: Require<ReadGroupMappings>,
    state: web::Data<AuthState>,
    id: PathParam<GroupMappingId>,
) -> Result<HttpResponse, Problem> {
    let mapping = state.core().group_mapping(id.0).await.map_err(store_problem)?;
    let mapping = mapping.ok_or_else(|| Problem::not_found("group mapping"))?;
    Ok(HttpResponse::Ok().insert_header(etag::header(mapping.version)).json(GroupMappingView::to_api(mapping)))
}
