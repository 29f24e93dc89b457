use actix_web::{HttpResponse, get, web};
use maas_types::UserId;
use maas_web::{PathParam, Problem, Require, etag, permission::ReadUsers};

use super::{store_problem, user_view::UserView};
use crate::app::AuthState;

/// Get a user
#[utoipa::path(
    tag = "users",
    operation_id = "getUser",
    params(("id" = UserId, Path, description = "The user")),
    responses(
        (status = 200, description = "The user; the ETag is for changes", body = UserView),
        (status = 404, description = "No such user"),
    )
)]
#[get("/api/v1/users/{id}")]
pub async fn get_user(
    _require: Require<ReadUsers>,
    state: web::Data<AuthState>,
    id: PathParam<UserId>,
) -> Result<HttpResponse, Problem> {
    let user = state.core().user(id.0).await.map_err(store_problem)?.ok_or_else(|| Problem::not_found("user"))?;
    Ok(HttpResponse::Ok().insert_header(etag::header(user.version)).json(UserView::to_api(user)))
}
