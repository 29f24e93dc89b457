use actix_web::{HttpResponse, delete, web};
use maas_types::TokenId;
use maas_web::{PathParam, Problem};

use super::token_holder::TokenHolder;
use crate::app::AuthState;

/// Revoke an access token
///
/// One of the caller's own, by the `jti` that was answered when it was made. One that has expired is revoked anyway.
/// Waits up to two seconds for the proxies to confirm it.
#[utoipa::path(
    tag = "tokens",
    operation_id = "revokeToken",
    params(("jti" = TokenId, Path)),
    responses(
        (status = 204, description = "The token does not work any more"),
        (status = 404, description = "No token of this platform can have this id"),
    )
)]
#[delete("/api/v1/tokens/{jti}")]
pub async fn revoke_token(
    holder: TokenHolder,
    state: web::Data<AuthState>,
    token: PathParam<TokenId>,
) -> Result<HttpResponse, Problem> {
    revoke(&holder, &state, token.0).await
}

/// Revoke an access token
///
/// The same for clients of earlier platforms; errors are in OpenAI's shape.
#[utoipa::path(
    tag = "compatibility",
    operation_id = "revokeInferenceToken",
    params(("jti" = TokenId, Path)),
    responses(
        (status = 204, description = "The token does not work any more"),
        (status = 404, description = "No token of this platform can have this id"),
    )
)]
#[delete("/maas-api/v1/tokens/{jti}")]
pub async fn revoke_inference_token(
    holder: TokenHolder,
    state: web::Data<AuthState>,
    token: PathParam<TokenId>,
) -> Result<HttpResponse, Problem> {
    revoke(&holder, &state, token.0).await
}

async fn revoke(holder: &TokenHolder, state: &AuthState, token: TokenId) -> Result<HttpResponse, Problem> {
    state.core().revoke_token(holder.user_id, token, &holder.initiator).await?;
    Ok(HttpResponse::NoContent().finish())
}
