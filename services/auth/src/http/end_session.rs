use actix_web::{HttpResponse, delete, web};
use maas_types::SessionId;
use maas_web::{PathParam, Problem, Require, middleware::RequestContext, permission::ManageOwnSessions};

use super::{initiator, store_problem};
use crate::app::AuthState;

/// End one of one's own sessions
#[utoipa::path(
    tag = "sessions",
    operation_id = "endSession",
    params(("id" = SessionId, Path, description = "The session")),
    responses(
        (status = 204, description = "The session has ended"),
        (status = 404, description = "The caller has no such session"),
    )
)]
#[delete("/api/v1/sessions/{id}")]
pub async fn end_session(
    require: Require<ManageOwnSessions>,
    context: RequestContext,
    state: web::Data<AuthState>,
    id: PathParam<SessionId>,
) -> Result<HttpResponse, Problem> {
    let initiator = initiator(&require.caller, context);
    let ended = state.core().end_session(require.caller.user_id, id.0, &initiator).await.map_err(store_problem)?;
    if ended { Ok(HttpResponse::NoContent().finish()) } else { Err(Problem::not_found("session")) }
}
