use actix_web::{HttpResponse, delete, web};
use maas_types::GroupMappingId;
use maas_web::{
    PathParam, Problem, QueryParams, Require, etag::IfMatch, middleware::RequestContext,
    permission::ManageGroupMappings,
};

use super::{
    group_mapping_view::{DryRunQuery, GroupMappingChange},
    initiator,
};
use crate::app::AuthState;

/// Delete a group mapping
///
/// What it gave is taken away when this is answered; the proxies are waited for, at most two seconds.
#[utoipa::path(
    tag = "group-mappings",
    operation_id = "deleteGroupMapping",
    params(
        ("id" = GroupMappingId, Path, description = "The mapping"),
        ("if-match" = Option<String>, Header, description = "The ETag of the mapping as it was read", example = "\"3\""),
        DryRunQuery,
    ),
    responses(
        (status = 200, description = "How many people change", body = GroupMappingChange),
        (status = 404, description = "No such mapping"),
        (status = 412, description = "The mapping was changed since it was read"),
    )
)]
#[delete("/api/v1/group-mappings/{id}")]
pub async fn delete_group_mapping(
    require: Require<ManageGroupMappings>,
    context: RequestContext,
    state: web::Data<AuthState>,
    id: PathParam<GroupMappingId>,
    if_match: IfMatch,
    query: QueryParams<DryRunQuery>,
) -> Result<HttpResponse, Problem> {
    let (run, initiator) = (query.0.run(), initiator(&require.caller, context));
    let tally = state.core().delete_group_mapping(id.0, if_match.0, run, &initiator).await?;
    Ok(HttpResponse::Ok().json(GroupMappingChange::to_api(None, tally, run)))
}
