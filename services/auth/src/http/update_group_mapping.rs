use actix_web::{HttpResponse, put, web};
use maas_types::GroupMappingId;
use maas_web::{
    JsonBody, PathParam, Problem, QueryParams, Require,
    etag::{self, IfMatch},
    middleware::RequestContext,
    permission::ManageGroupMappings,
};

use super::{
    group_mapping_view::{DryRunQuery, GroupMappingChange, GroupMappingRequest},
    initiator,
};
use crate::app::AuthState;

/// Replace a group mapping
///
/// The whole mapping is given, since a part that is left out gives nothing any more. Everybody who had the old or the new
/// group at their last sign-in has what follows when this is answered.
#[utoipa::path(
    tag = "group-mappings",
    operation_id = "updateGroupMapping",
    params(
        ("id" = GroupMappingId, Path, description = "The mapping"),
        ("if-match" = Option<String>, Header, description = "The ETag of the mapping as it was read", example = "\"3\""),
        DryRunQuery,
    ),
    request_body = GroupMappingRequest,
    responses(
        (status = 200, description = "The mapping, and how many people change", body = GroupMappingChange),
        (status = 400, description = "It gives nothing, or there is no such team"),
        (status = 404, description = "No such mapping"),
        (status = 409, description = "There is a mapping of this group, provider and team"),
        (status = 412, description = "The mapping was changed since it was read"),
    )
)]
#[put("/api/v1/group-mappings/{id}")]
pub async fn update_group_mapping(
    require: Require<ManageGroupMappings>,
    context: RequestContext,
    state: web::Data<AuthState>,
    id: PathParam<GroupMappingId>,
    if_match: IfMatch,
    query: QueryParams<DryRunQuery>,
    body: JsonBody<GroupMappingRequest>,
) -> Result<HttpResponse, Problem> {
    let (run, input) = (query.0.run(), body.0.checked()?);
    let initiator = initiator(&require.caller, context);
    let (mapping, tally) = state.core().update_group_mapping(id.0, input, if_match.0, run, &initiator).await?;
    let etag = etag::header(mapping.version);
    Ok(HttpResponse::Ok().insert_header(etag).json(GroupMappingChange::to_api(Some(mapping), tally, run)))
}
