use actix_web::{HttpResponse, get, web};
use maas_types::UserId;
use maas_web::{PathParam, Problem, Require, etag, permission::ReadUsers};

use super::{store_problem, user_view::UserDetails};
use crate::app::AuthState;

/// Get a user
#[utoipa::path(
    tag = "users",
    operation_id = "getUser",
    params(("id" = UserId, Path, description = "The user")),
    responses(
        (status = 200, description = "The user; the ETag is for changes", body = UserDetails),
        (status = 404, description = "No such user"),
    )
)]
#[get("/api/v1/users/{id}")]
pub async fn get_user(
    _require: Require<ReadUsers>,
    state: web::Data<AuthState>,
    id: PathParam<UserId>,
) -> Result<HttpResponse, Problem> {
    let facts = state.core().user_facts(id.0).await.map_err(store_problem)?;
    let facts = facts.ok_or_else(|| Problem::not_found("user"))?;
    Ok(HttpResponse::Ok().insert_header(etag::header(facts.user.version)).json(UserDetails::to_api(facts)))
}
