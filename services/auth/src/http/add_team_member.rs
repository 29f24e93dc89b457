use actix_web::{HttpResponse, post, web};
use maas_types::{TeamId, TeamRole, UserId};
use maas_web::{
    FieldFault, JsonBody, PathParam, Problem, Require, etag, middleware::RequestContext, permission::ManageTeams,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{directory::team_authority, initiator, name_fault, no_faults, team_view::MemberView};
use crate::{app::AuthState, service::members::Candidate};

/// Exactly one of `user_id` and `user_name` is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddTeamMemberRequest {
    pub user_id: Option<UserId>,
    /// Exactly, for owners of a team, who cannot look people up.
    #[schema(example = "ada", min_length = 1, max_length = 255)]
    pub user_name: Option<String>,
    pub role: TeamRole,
}

/// Put somebody into a team
///
/// Admins may, and owners of the team. Who is in it by a group can be put in by hand besides; the higher role counts.
#[utoipa::path(
    tag = "teams",
    operation_id = "addTeamMember",
    params(("id" = TeamId, Path, description = "The team")),
    request_body = AddTeamMemberRequest,
    responses(
        (status = 201, description = "The member; the ETag is the team's", body = MemberView),
        (status = 400, description = "There is no such user"),
        (status = 403, description = "The caller is in the team and does not own it"),
        (status = 404, description = "No such team, or one that the caller is not in"),
        (status = 409, description = "The user is in the team already"),
    )
)]
#[post("/api/v1/teams/{id}/members")]
pub async fn add_team_member(
    require: Require<ManageTeams>,
    context: RequestContext,
    state: web::Data<AuthState>,
    id: PathParam<TeamId>,
    body: JsonBody<AddTeamMemberRequest>,
) -> Result<HttpResponse, Problem> {
    let AddTeamMemberRequest { user_id, user_name, role } = body.0;
    no_faults(name_fault("/user_name", user_name.as_ref()))?;
    let candidate = match (user_id, user_name) {
        (Some(id), None) => Candidate::Id(id),
        (None, Some(name)) => Candidate::Name(name),
        _ => {
            let fault = FieldFault::new("/user_id", "required", "give either user_id or user_name");
            return Err(Problem::invalid(vec![fault]));
        }
    };
    let (authority, initiator) = (team_authority(require.scope), initiator(&require.caller, context));
    let (team, member) = state.core().add_member(id.0, &candidate, role, authority, &initiator).await?;
    Ok(HttpResponse::Created()
        .insert_header(("location", format!("/api/v1/teams/{}/members/{}", team.id, member.user.id)))
        .insert_header(etag::header(team.version))
        .json(MemberView::to_api(member)))
}
