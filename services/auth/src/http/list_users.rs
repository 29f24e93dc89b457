use actix_web::{HttpResponse, get, web};
use maas_types::{CursorError, Role, TeamId, Timestamp};
use maas_web::{FieldFault, PageQuery, Problem, QueryParams, Require, permission::ReadUsers};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    check_filter, no_faults, page, store_problem,
    user_view::{KindView, StatusView, UserView},
};
use crate::{
    app::AuthState,
    store::user_list::{UserFilter, UserOrder, UserPosition},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserSort {
    /// Newest first.
    CreatedAt,
    UserName,
    /// Who came last first; who never came last.
    LastSignInAt,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListUsersQuery {
    /// Rows of a page, 1 to 1000; 50 when left out.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the previous page.
    pub cursor: Option<String>,
    pub role: Option<Role>,
    #[param(inline)]
    pub status: Option<StatusView>,
    #[param(inline)]
    pub kind: Option<KindView>,
    /// Where they sign in.
    #[param(example = "corp")]
    pub provider: Option<String>,
    /// A group of their last sign-in or token exchange, exactly.
    #[param(example = "data-science")]
    pub group: Option<String>,
    pub team_id: Option<TeamId>,
    /// Signed in at this time or later.
    pub signed_in_from: Option<Timestamp>,
    /// Not signed in since this time; who never came counts.
    pub signed_in_before: Option<Timestamp>,
    /// Text in user name or display name.
    #[param(example = "ada")]
    pub q: Option<String>,
    /// `created_at` when left out.
    #[param(inline)]
    pub sort: Option<UserSort>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UserPage {
    pub data: Vec<UserView>,
    pub next_cursor: Option<String>,
}

/// List users
#[utoipa::path(
    tag = "users",
    operation_id = "listUsers",
    params(ListUsersQuery),
    responses((status = 200, description = "Users and service accounts in the order of `sort`", body = UserPage))
)]
#[get("/api/v1/users")]
pub async fn list_users(
    _require: Require<ReadUsers>,
    state: web::Data<AuthState>,
    query: QueryParams<ListUsersQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.0;
    let (limit, after) = PageQuery::new(query.limit, query.cursor.clone()).checked::<UserPosition>()?;
    let order = order_of(query.sort);
    // Each order has positions of its own.
    let foreign = after.as_ref().is_some_and(|after| !order.has(after));
    let cursor_fault = foreign.then(|| FieldFault::new("?cursor", "invalid_cursor", CursorError.to_string()));
    let texts = [("q", &query.q), ("provider", &query.provider), ("group", &query.group)];
    let text_faults = texts.into_iter().filter_map(|(name, text)| check_filter(name, text.as_ref()));
    no_faults(text_faults.chain(cursor_fault))?;
    let filter = filter_of(query);
    let users = state.core().users(&filter, order, limit, after).await.map_err(store_problem)?;
    let (users, next_cursor) = page(users, limit, |user| order.position(user));
    Ok(HttpResponse::Ok().json(UserPage { data: users.into_iter().map(UserView::to_api).collect(), next_cursor }))
}

fn order_of(sort: Option<UserSort>) -> UserOrder {
    match sort {
        None | Some(UserSort::CreatedAt) => UserOrder::Created,
        Some(UserSort::UserName) => UserOrder::Name,
        Some(UserSort::LastSignInAt) => UserOrder::LastSignIn,
    }
}

fn filter_of(query: ListUsersQuery) -> UserFilter {
    UserFilter {
        role: query.role,
        status: query.status.map(StatusView::from_api),
        kind: query.kind.map(KindView::from_api),
        provider_id: query.provider,
        group: query.group,
        team_id: query.team_id,
        service_teams: None,
        text: query.q,
        last_sign_in_from: query.signed_in_from,
        last_sign_in_to: query.signed_in_before,
    }
}
