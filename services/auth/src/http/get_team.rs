use actix_web::{HttpResponse, get, web};
use maas_types::TeamId;
use maas_web::{PathParam, Problem, Require, etag, permission::ReadTeams};

use super::{directory::visible_team, team_view::TeamView};
use crate::app::AuthState;

/// Get a team
#[utoipa::path(
    tag = "teams",
    operation_id = "getTeam",
    params(("id" = TeamId, Path, description = "The team")),
    responses(
        (status = 200, description = "The team; the ETag is for changes of it and of its members", body = TeamView),
        (status = 404, description = "No such team, or one that the caller is not in"),
    )
)]
#[get("/api/v1/teams/{id}")]
pub async fn get_team(
    require: Require<ReadTeams>,
    state: web::Data<AuthState>,
    id: PathParam<TeamId>,
) -> Result<HttpResponse, Problem> {
    let team = visible_team(&state, id.0, require.scope, &require.caller).await?;
    Ok(HttpResponse::Ok().insert_header(etag::header(team.version)).json(TeamView::to_api(team)))
}
