use actix_web::{HttpResponse, get, web};
use maas_types::{OrganisationId, UserId};
use maas_web::{PageQuery, Problem, QueryParams, Require, permission::ReadTeams};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{check_filter, no_faults, page, store_problem, team_view::TeamView};
use crate::{
    app::AuthState,
    domain::team::Team,
    store::team::{TeamFilter, TeamPosition},
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListTeamsQuery {
    /// Rows of a page, 1 to 1000; 50 when left out.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the previous page.
    pub cursor: Option<String>,
    pub organisation_id: Option<OrganisationId>,
    /// Exactly.
    #[param(example = "4711")]
    pub cost_centre: Option<String>,
    /// Teams of this user. Who sees only their own teams finds nothing of others.
    pub member_id: Option<UserId>,
    /// Text in the name.
    #[param(example = "search")]
    pub q: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TeamPage {
    pub data: Vec<TeamView>,
    pub next_cursor: Option<String>,
}

/// List teams
///
/// Admins see all; others those that they are in.
#[utoipa::path(
    tag = "teams",
    operation_id = "listTeams",
    params(ListTeamsQuery),
    responses((status = 200, description = "Teams, newest first", body = TeamPage))
)]
#[get("/api/v1/teams")]
pub async fn list_teams(
    require: Require<ReadTeams>,
    state: web::Data<AuthState>,
    query: QueryParams<ListTeamsQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.0;
    let (limit, after) = PageQuery::new(query.limit, query.cursor).checked::<TeamPosition>()?;
    let texts = [("q", &query.q), ("cost_centre", &query.cost_centre)];
    no_faults(texts.into_iter().filter_map(|(name, text)| check_filter(name, text.as_ref())))?;
    let visible = require.scope.owner();
    let hidden = visible.is_some_and(|own| query.member_id.is_some_and(|asked| asked != own));
    if hidden {
        return Ok(HttpResponse::Ok().json(TeamPage { data: Vec::new(), next_cursor: None }));
    }
    let filter = TeamFilter {
        organisation_id: query.organisation_id,
        cost_centre: query.cost_centre,
        text: query.q,
        member: visible.or(query.member_id),
    };
    let teams = state.core().teams(&filter, limit, after).await.map_err(store_problem)?;
    let position = |team: &Team| TeamPosition { created_at_ms: team.created_at.unix_ms(), id: team.id.uuid() };
    let (teams, next_cursor) = page(teams, limit, position);
    Ok(HttpResponse::Ok().json(TeamPage { data: teams.into_iter().map(TeamView::to_api).collect(), next_cursor }))
}
