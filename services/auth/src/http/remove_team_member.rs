use actix_web::{HttpResponse, delete, web};
use maas_types::{TeamId, UserId};
use maas_web::{
    PathPair, Problem, Require,
    etag::{self, IfMatch},
    middleware::RequestContext,
    permission::ManageTeams,
};

use super::{directory::team_authority, initiator};
use crate::{app::AuthState, service::members::ChangeMember};

/// Take somebody out of a team
///
/// Their keys of the team no longer work. Who is in it by a group, too, stays with the role that the group gives.
#[utoipa::path(
    tag = "teams",
    operation_id = "removeTeamMember",
    params(
        ("id" = TeamId, Path, description = "The team"),
        ("user_id" = UserId, Path, description = "The member"),
        ("if-match" = Option<String>, Header, description = "The ETag of the team as it was read", example = "\"3\""),
    ),
    responses(
        (status = 204, description = "The user was taken out; the ETag is the team's"),
        (status = 403, description = "The caller is in the team and does not own it"),
        (status = 404, description = "No such team or member, or a team that the caller is not in"),
        (status = 409, description = "The last owner stays, the user is in the team by a group only, or it is the team's own service account"),
        (status = 412, description = "The team was changed since it was read"),
    )
)]
#[delete("/api/v1/teams/{id}/members/{user_id}")]
pub async fn remove_team_member(
    require: Require<ManageTeams>,
    context: RequestContext,
    state: web::Data<AuthState>,
    path: PathPair<TeamId, UserId>,
    if_match: IfMatch,
) -> Result<HttpResponse, Problem> {
    let PathPair(team, user) = path;
    let change = ChangeMember { team, user, role: None };
    let (authority, initiator) = (team_authority(require.scope), initiator(&require.caller, context));
    let (team, _) = state.core().change_member(change, if_match.0, authority, &initiator).await?;
    Ok(HttpResponse::NoContent().insert_header(etag::header(team.version)).finish())
}
