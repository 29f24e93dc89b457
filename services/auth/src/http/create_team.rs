use actix_web::{HttpResponse, post, web};
use maas_types::{OrganisationId, UserId, input::MAX_DESCRIPTION, input::MAX_NAME};
use maas_web::{JsonBody, Problem, Require, etag, middleware::RequestContext, permission::ManageOrganisations};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{directory::text_faults, initiator, name_fault, no_faults, team_view::TeamView};
use crate::{app::AuthState, domain::team::DEFAULT_ORGANISATION, service::teams::CreateTeamInput};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTeamRequest {
    /// Unique among the teams that there are.
    #[schema(example = "search", min_length = 1, max_length = 255)]
    pub name: String,
    #[schema(example = "Answers from the intranet", max_length = 2000)]
    pub description: Option<String>,
    #[schema(example = "4711", max_length = 255)]
    pub cost_centre: Option<String>,
    /// The default organisation when left out.
    pub organisation_id: Option<OrganisationId>,
    /// Who owns the team from the start.
    pub owner_id: Option<UserId>,
}

/// Create a team
#[utoipa::path(
    tag = "teams",
    operation_id = "createTeam",
    request_body = CreateTeamRequest,
    responses(
        (status = 201, description = "The team", body = TeamView),
        (status = 400, description = "There is no such organisation or user"),
        (status = 409, description = "The name is taken"),
    )
)]
#[post("/api/v1/teams")]
pub async fn create_team(
    require: Require<ManageOrganisations>,
    context: RequestContext,
    state: web::Data<AuthState>,
    body: JsonBody<CreateTeamRequest>,
) -> Result<HttpResponse, Problem> {
    let body = body.0;
    let mut faults: Vec<_> = name_fault("/name", Some(&body.name)).into_iter().collect();
    faults.extend(text_faults("/description", body.description.as_ref(), MAX_DESCRIPTION));
    faults.extend(text_faults("/cost_centre", body.cost_centre.as_ref(), MAX_NAME));
    no_faults(faults)?;
    let input = CreateTeamInput {
        name: body.name,
        description: body.description.unwrap_or_default(),
        cost_centre: body.cost_centre.unwrap_or_default(),
        organisation_id: body.organisation_id.unwrap_or(DEFAULT_ORGANISATION),
        owner: body.owner_id,
    };
    let team = state.core().create_team(input, &initiator(&require.caller, context)).await?;
    Ok(HttpResponse::Created()
        .insert_header(("location", format!("/api/v1/teams/{}", team.id)))
        .insert_header(etag::header(team.version))
        .json(TeamView::to_api(team)))
}
