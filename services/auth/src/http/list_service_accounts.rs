use actix_web::{HttpResponse, get, web};
use maas_types::TeamId;
use maas_web::{AccessScope, FieldFault, PageQuery, Problem, QueryParams, Require, permission::ReadServiceAccounts};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    check_filter,
    list_users::UserPage,
    no_faults, page, store_problem,
    user_view::{StatusChange, UserView},
};
use crate::{
    app::AuthState,
    domain::user_status::UserKind,
    store::user_list::{UserFilter, UserOrder, UserPosition},
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListServiceAccountsQuery {
    /// Rows of a page, 1 to 1000; 50 when left out.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the previous page.
    pub cursor: Option<String>,
    #[param(inline)]
    pub status: Option<StatusChange>,
    /// Those that this team owns.
    pub team_id: Option<TeamId>,
    /// Text in one of the names.
    #[param(example = "nightly")]
    pub q: Option<String>,
}

/// List service accounts
///
/// Admins see all; others those of the teams that they own.
#[utoipa::path(
    tag = "service-accounts",
    operation_id = "listServiceAccounts",
    params(ListServiceAccountsQuery),
    responses((status = 200, description = "Service accounts, newest first", body = UserPage))
)]
#[get("/api/v1/service-accounts")]
pub async fn list_service_accounts(
    require: Require<ReadServiceAccounts>,
    state: web::Data<AuthState>,
    query: QueryParams<ListServiceAccountsQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.0;
    let (limit, after) = PageQuery::new(query.limit, query.cursor).checked::<UserPosition>()?;
    let order = UserOrder::Created;
    let foreign = after.as_ref().is_some_and(|after| !order.has(after));
    let fault = foreign.then(|| FieldFault::new("?cursor", "invalid_cursor", maas_types::CursorError.to_string()));
    no_faults(check_filter("q", query.q.as_ref()).into_iter().chain(fault))?;
    let owned = match require.scope {
        AccessScope::All => None,
        AccessScope::Own(_) => Some(require.caller.owned_teams()),
    };
    let filter = UserFilter {
        kind: Some(UserKind::ServiceAccount),
        status: query.status.map(StatusChange::from_api),
        service_teams: narrowed(owned, query.team_id),
        text: query.q,
        ..UserFilter::default()
    };
    let accounts = state.core().users(&filter, order, limit, after).await.map_err(store_problem)?;
    let (accounts, next_cursor) = page(accounts, limit, |account| order.position(account));
    Ok(HttpResponse::Ok().json(UserPage { data: accounts.into_iter().map(UserView::to_api).collect(), next_cursor }))
}

/// The teams whose accounts are shown: those that the caller may see, and of these the one asked for.
fn narrowed(visible: Option<Vec<TeamId>>, asked: Option<TeamId>) -> Option<Vec<TeamId>> {
    match (visible, asked) {
        (None, None) => None,
        (None, Some(team)) => Some(vec![team]),
        (Some(teams), None) => Some(teams),
        (Some(teams), Some(team)) => Some(teams.into_iter().filter(|own| *own == team).collect()),
    }
}
