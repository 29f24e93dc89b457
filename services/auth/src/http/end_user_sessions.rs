use actix_web::{HttpResponse, delete, web};
use maas_types::UserId;
use maas_web::{PathParam, Problem, Require, middleware::RequestContext, permission::ManageUsers};
use serde::Serialize;
use utoipa::ToSchema;

use super::{initiator, store_problem};
use crate::app::AuthState;

#[derive(Debug, Serialize, ToSchema)]
pub struct EndedSessions {
    #[schema(example = 2)]
    pub ended: u64,
}

/// End all sessions of a user
///
/// They can sign in again; tokens and keys stay.
#[utoipa::path(
    tag = "users",
    operation_id = "endUserSessions",
    params(("id" = UserId, Path, description = "The user")),
    responses(
        (status = 200, description = "How many sessions have ended", body = EndedSessions),
        (status = 404, description = "No such user"),
    )
)]
#[delete("/api/v1/users/{id}/sessions")]
pub async fn end_user_sessions(
    require: Require<ManageUsers>,
    context: RequestContext,
    state: web::Data<AuthState>,
    id: PathParam<UserId>,
) -> Result<HttpResponse, Problem> {
    let initiator = initiator(&require.caller, context);
    let ended = state.core().end_user_sessions(id.0, &initiator).await.map_err(store_problem)?;
    let ended = ended.ok_or_else(|| Problem::not_found("user"))?;
    Ok(HttpResponse::Ok().json(EndedSessions { ended }))
}
