use actix_web::{HttpResponse, get, web};
use maas_types::Role;
use maas_web::{PageQuery, Problem, QueryParams, Require, permission::ReadUsers};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    check_filter, no_faults, page, store_problem,
    user_view::{StatusView, UserView},
};
use crate::{
    app::AuthState,
    store::user::{UserFilter, UserPosition},
};

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
    /// Text in user name or display name.
    #[param(example = "ada")]
    pub q: Option<String>,
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
    responses((status = 200, description = "Users, newest first", body = UserPage))
)]
#[get("/api/v1/users")]
pub async fn list_users(
    _require: Require<ReadUsers>,
    state: web::Data<AuthState>,
    query: QueryParams<ListUsersQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.0;
    let (limit, after) = PageQuery::new(query.limit, query.cursor).checked()?;
    no_faults(check_filter("q", query.q.as_ref()))?;
    let filter = UserFilter { role: query.role, status: query.status.map(StatusView::from_api), text: query.q };
    let users = state.core().users(&filter, limit, after).await.map_err(store_problem)?;
    let (users, next_cursor) =
        page(users, limit, |user| UserPosition { created_at_ms: user.created_at.unix_ms(), id: user.id.uuid() });
    Ok(HttpResponse::Ok().json(UserPage { data: users.into_iter().map(UserView::to_api).collect(), next_cursor }))
}
