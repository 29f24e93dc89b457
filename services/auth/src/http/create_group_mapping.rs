use actix_web::{HttpResponse, post, web};
use maas_web::{
    JsonBody, Problem, QueryParams, Require, etag, middleware::RequestContext, permission::ManageGroupMappings,
};

use super::{
    group_mapping_view::{DryRunQuery, GroupMappingChange, GroupMappingRequest},
    initiator,
};
use crate::{app::AuthState, service::reevaluate::Run};

/// Create a group mapping
///
/// Everybody who had the group at their last sign-in has what it gives when this is answered.
#[utoipa::path(
    tag = "group-mappings",
    operation_id = "createGroupMapping",
    params(DryRunQuery),
    request_body = GroupMappingRequest,
    responses(
        (status = 200, description = "What would happen", body = GroupMappingChange),
        (status = 201, description = "The mapping, and how many people it has changed", body = GroupMappingChange),
        (status = 400, description = "It gives nothing, or there is no such team"),
        (status = 409, description = "There is a mapping of this group, provider and team, or there are too many"),
    )
)]
#[post("/api/v1/group-mappings")]
pub async fn create_group_mapping(
    require: Require<ManageGroupMappings>,
    context: RequestContext,
    state: web::Data<AuthState>,
    query: QueryParams<DryRunQuery>,
    body: JsonBody<GroupMappingRequest>,
) -> Result<HttpResponse, Problem> {
    let (run, input) = (query.0.run(), body.0.checked()?);
    let initiator = initiator(&require.caller, context);
    let (mapping, tally) = state.core().create_group_mapping(input, run, &initiator).await?;
    if run == Run::Dry {
        return Ok(HttpResponse::Ok().json(GroupMappingChange::to_api(Some(mapping), tally, run)));
    }
    Ok(HttpResponse::Created()
        .insert_header(("location", format!("/api/v1/group-mappings/{}", mapping.id)))
        .insert_header(etag::header(mapping.version))
        .json(GroupMappingChange::to_api(Some(mapping), tally, run)))
}
