use actix_web::{HttpResponse, patch, web};
use maas_types::{OrganisationId, TeamId, input::MAX_DESCRIPTION, input::MAX_NAME};
use maas_web::{
    JsonBody, PathParam, Problem, Require,
    etag::{self, IfMatch},
    middleware::RequestContext,
    permission::ManageTeams,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    directory::{team_authority, text_faults},
    initiator, name_fault, no_faults,
    team_view::TeamView,
};
use crate::{app::AuthState, domain::team::TeamChange};

/// What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateTeamRequest {
    /// Only admins change it.
    #[schema(example = "search", min_length = 1, max_length = 255)]
    pub name: Option<String>,
    #[schema(example = "Answers from the intranet", max_length = 2000)]
    pub description: Option<String>,
    /// Only admins change it. What was used before stays booked as it was.
    #[schema(example = "4711", max_length = 255)]
    pub cost_centre: Option<String>,
    /// Only admins change it. What was used before stays booked as it was.
    pub organisation_id: Option<OrganisationId>,
}

/// Change a team
///
/// Admins may change everything, owners of the team its description.
#[utoipa::path(
    tag = "teams",
    operation_id = "updateTeam",
    params(
        ("id" = TeamId, Path, description = "The team"),
        ("if-match" = Option<String>, Header, description = "The ETag of the team as it was read", example = "\"3\""),
    ),
    request_body = UpdateTeamRequest,
    responses(
        (status = 200, description = "The team after the change", body = TeamView),
        (status = 400, description = "There is no such organisation"),
        (status = 403, description = "The caller is in the team and does not own it, or owners may not change this"),
        (status = 404, description = "No such team, or one that the caller is not in"),
        (status = 409, description = "The name is taken"),
        (status = 412, description = "The team was changed since it was read"),
    )
)]
#[patch("/api/v1/teams/{id}")]
pub async fn update_team(
    require: Require<ManageTeams>,
    context: RequestContext,
    state: web::Data<AuthState>,
    id: PathParam<TeamId>,
    if_match: IfMatch,
    body: JsonBody<UpdateTeamRequest>,
) -> Result<HttpResponse, Problem> {
    let body = body.0;
    let mut faults: Vec<_> = name_fault("/name", body.name.as_ref()).into_iter().collect();
    faults.extend(text_faults("/description", body.description.as_ref(), MAX_DESCRIPTION));
    faults.extend(text_faults("/cost_centre", body.cost_centre.as_ref(), MAX_NAME));
    no_faults(faults)?;
    let UpdateTeamRequest { name, description, cost_centre, organisation_id } = body;
    let change = TeamChange { name, description, cost_centre, organisation_id };
    let (authority, initiator) = (team_authority(require.scope), initiator(&require.caller, context));
    let team = state.core().update_team(id.0, &change, if_match.0, authority, &initiator).await?;
    Ok(HttpResponse::Ok().insert_header(etag::header(team.version)).json(TeamView::to_api(team)))
}
