use actix_web::{HttpResponse, delete, web};
use maas_types::OrganisationId;
use maas_web::{
    PathParam, Problem, Require, etag::IfMatch, middleware::RequestContext, permission::ManageOrganisations,
};

use super::initiator;
use crate::app::AuthState;

/// Delete an organisation
///
/// Only one that has never had a team: usage is booked to organisations, too.
#[utoipa::path(
    tag = "teams",
    operation_id = "deleteOrganisation",
    params(
        ("id" = OrganisationId, Path, description = "The organisation"),
        ("if-match" = Option<String>, Header, description = "The ETag of the organisation as it was read", example = "\"3\""),
    ),
    responses(
        (status = 204, description = "The organisation is gone"),
        (status = 404, description = "No such organisation"),
        (status = 409, description = "It is the default organisation, or teams belong to it, or did"),
        (status = 412, description = "The organisation was changed since it was read"),
    )
)]
#[delete("/api/v1/organisations/{id}")]
pub async fn delete_organisation(
    require: Require<ManageOrganisations>,
    context: RequestContext,
    state: web::Data<AuthState>,
    id: PathParam<OrganisationId>,
    if_match: IfMatch,
) -> Result<HttpResponse, Problem> {
    state.core().delete_organisation(id.0, if_match.0, &initiator(&require.caller, context)).await?;
    Ok(HttpResponse::NoContent().finish())
}
