use actix_web::{HttpResponse, patch, web};
use maas_types::{TeamId, TeamRole, UserId};
use maas_web::{
    JsonBody, PathPair, Problem, Require,
    etag::{self, IfMatch},
    middleware::RequestContext,
    permission::ManageTeams,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{directory::team_authority, initiator, team_view::MemberView};
use crate::{app::AuthState, service::members::ChangeMember};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateTeamMemberRequest {
    pub role: TeamRole,
}

/// Change the role of somebody in a team
///
/// The role that was given by hand. A group may give a higher one, which then counts.
#[utoipa::path(
    tag = "teams",
    operation_id = "updateTeamMember",
    params(
        ("id" = TeamId, Path, description = "The team"),
        ("user_id" = UserId, Path, description = "The member"),
        ("if-match" = Option<String>, Header, description = "The ETag of the team as it was read", example = "\"3\""),
    ),
    request_body = UpdateTeamMemberRequest,
    responses(
        (status = 200, description = "The member after the change; the ETag is the team's", body = MemberView),
        (status = 403, description = "The caller is in the team and does not own it"),
        (status = 404, description = "No such team or member, or a team that the caller is not in"),
        (status = 409, description = "The last owner stays one, the user is in the team by a group only, or it is the team's own service account"),
        (status = 412, description = "The team was changed since it was read"),
    )
)]
#[patch("/api/v1/teams/{id}/members/{user_id}")]
pub async fn update_team_member(
    require: Require<ManageTeams>,
    context: RequestContext,
    state: web::Data<AuthState>,
    path: PathPair<TeamId, UserId>,
    if_match: IfMatch,
    body: JsonBody<UpdateTeamMemberRequest>,
) -> Result<HttpResponse, Problem> {
    let PathPair(team, user) = path;
    let change = ChangeMember { team, user, role: Some(body.0.role) };
    let (authority, initiator) = (team_authority(require.scope), initiator(&require.caller, context));
    let (team, member) = state.core().change_member(change, if_match.0, authority, &initiator).await?;
    Ok(HttpResponse::Ok().insert_header(etag::header(team.version)).json(MemberView::to_api(member)))
}
