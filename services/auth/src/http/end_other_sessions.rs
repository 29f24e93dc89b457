use actix_web::{HttpResponse, delete, web};
use maas_web::{Problem, Require, middleware::RequestContext, permission::ManageOwnSessions};

use super::{initiator, session_of, store_problem};
use crate::app::AuthState;

/// End all of one's own sessions but the one that asks
#[utoipa::path(
    tag = "sessions",
    operation_id = "endOtherSessions",
    responses((status = 204, description = "The other sessions have ended"))
)]
#[delete("/api/v1/sessions")]
pub async fn end_other_sessions(
    require: Require<ManageOwnSessions>,
    context: RequestContext,
    state: web::Data<AuthState>,
) -> Result<HttpResponse, Problem> {
    let caller = &require.caller;
    let initiator = initiator(caller, context);
    let ended = state.core().end_other_sessions(caller.user_id, session_of(caller), &initiator).await;
    ended.map_err(store_problem)?;
    Ok(HttpResponse::NoContent().finish())
}
