use actix_web::{HttpResponse, get, web};
use maas_types::TeamId;
use maas_web::{PageQuery, PathParam, Problem, QueryParams, Require, permission::ReadTeams};
use serde::Serialize;
use utoipa::ToSchema;

use super::{directory::visible_team, page, store_problem, team_view::MemberView};
use crate::app::AuthState;

#[derive(Debug, Serialize, ToSchema)]
pub struct MemberPage {
    pub data: Vec<MemberView>,
    pub next_cursor: Option<String>,
}

/// List the members of a team
#[utoipa::path(
    tag = "teams",
    operation_id = "listTeamMembers",
    params(("id" = TeamId, Path, description = "The team"), PageQuery),
    responses(
        (status = 200, description = "The members, longest known to the platform first", body = MemberPage),
        (status = 404, description = "No such team, or one that the caller is not in"),
    )
)]
#[get("/api/v1/teams/{id}/members")]
pub async fn list_team_members(
    require: Require<ReadTeams>,
    state: web::Data<AuthState>,
    id: PathParam<TeamId>,
    query: QueryParams<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let (limit, after) = query.0.checked()?;
    let team = visible_team(&state, id.0, require.scope, &require.caller).await?;
    let members = state.core().members(team.id, limit, after).await.map_err(store_problem)?;
    let (members, next_cursor) = page(members, limit, |member| member.user.id);
    let data = members.into_iter().map(MemberView::to_api).collect();
    Ok(HttpResponse::Ok().json(MemberPage { data, next_cursor }))
}
