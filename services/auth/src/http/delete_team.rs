use actix_web::{HttpResponse, delete, web};
use maas_types::TeamId;
use maas_web::{
    PathParam, Problem, Require, etag::IfMatch, middleware::RequestContext, permission::ManageOrganisations,
};

use super::initiator;
use crate::app::AuthState;

/// Delete a team
///
/// Everybody leaves it, its keys no longer work, and group mappings to it go. What it used stays booked to it.
#[utoipa::path(
    tag = "teams",
    operation_id = "deleteTeam",
    params(
        ("id" = TeamId, Path, description = "The team"),
        ("if-match" = Option<String>, Header, description = "The ETag of the team as it was read", example = "\"3\""),
    ),
    responses(
        (status = 204, description = "The team is gone"),
        (status = 404, description = "No such team"),
        (status = 409, description = "The team still owns service accounts"),
        (status = 412, description = "The team was changed since it was read"),
    )
)]
#[delete("/api/v1/teams/{id}")]
pub async fn delete_team(
    require: Require<ManageOrganisations>,
    context: RequestContext,
    state: web::Data<AuthState>,
    id: PathParam<TeamId>,
    if_match: IfMatch,
) -> Result<HttpResponse, Problem> {
    state.core().delete_team(id.0, if_match.0, &initiator(&require.caller, context)).await?;
    Ok(HttpResponse::NoContent().finish())
}
