use actix_web::{HttpResponse, delete, web};
use maas_web::Problem;

use super::token_holder::TokenHolder;
use crate::app::AuthState;

/// Revoke all access tokens
///
/// Every token of the caller, also the one that this is asked with. Sessions go on. Waits up to two seconds for the
/// proxies to confirm it.
#[utoipa::path(
    tag = "tokens",
    operation_id = "revokeTokens",
    responses((status = 204, description = "No token issued until now works any more"))
)]
#[delete("/api/v1/tokens")]
pub async fn revoke_tokens(holder: TokenHolder, state: web::Data<AuthState>) -> Result<HttpResponse, Problem> {
    revoke(&holder, &state).await
}

/// Revoke all access tokens
///
/// The same for clients of earlier platforms; errors are in OpenAI's shape.
#[utoipa::path(
    tag = "compatibility",
    operation_id = "revokeInferenceTokens",
    responses((status = 204, description = "No token issued until now works any more"))
)]
#[delete("/maas-api/v1/tokens")]
pub async fn revoke_inference_tokens(
    holder: TokenHolder,
    state: web::Data<AuthState>,
) -> Result<HttpResponse, Problem> {
    revoke(&holder, &state).await
}

async fn revoke(holder: &TokenHolder, state: &AuthState) -> Result<HttpResponse, Problem> {
    state.core().revoke_tokens(holder.user_id, &holder.initiator).await?;
    Ok(HttpResponse::NoContent().finish())
}
