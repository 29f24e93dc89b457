use actix_web::{HttpResponse, get, web};
use maas_types::UserId;
use maas_web::{AccessScope, PathParam, Problem, Require, etag, permission::ReadServiceAccounts};

use super::{store_problem, user_view::UserView};
use crate::app::AuthState;

/// Get a service account
#[utoipa::path(
    tag = "service-accounts",
    operation_id = "getServiceAccount",
    params(("id" = UserId, Path, description = "The service account")),
    responses(
        (status = 200, description = "The service account; the ETag is for changes", body = UserView),
        (status = 404, description = "No such service account, or one of a team that the caller does not own"),
    )
)]
#[get("/api/v1/service-accounts/{id}")]
pub async fn get_service_account(
    require: Require<ReadServiceAccounts>,
    state: web::Data<AuthState>,
    id: PathParam<UserId>,
) -> Result<HttpResponse, Problem> {
    let account = state.core().service_account(id.0).await.map_err(store_problem)?;
    let owned = require.caller.owned_teams();
    let account = account.filter(|account| match require.scope {
        AccessScope::All => true,
        AccessScope::Own(_) => account.service_team_id.is_some_and(|team| owned.contains(&team)),
    });
    let account = account.ok_or_else(|| Problem::not_found("service account"))?;
    Ok(HttpResponse::Ok().insert_header(etag::header(account.version)).json(UserView::to_api(account)))
}
