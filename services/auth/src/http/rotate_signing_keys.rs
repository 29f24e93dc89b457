use actix_web::{HttpResponse, post, web};
use maas_types::Timestamp;
use maas_web::{Problem, ProblemCode, Require, middleware::RequestContext, permission::ManageSigningKeys};
use serde::Serialize;
use utoipa::ToSchema;

use super::{initiator, store_problem};
use crate::{app::AuthState, service::signing_keys::SigningKeysError};

#[derive(Debug, Serialize, ToSchema)]
pub struct NextSigningKey {
    #[schema(example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    pub kid: String,
    /// It is in the key set already, and signs from here on.
    pub used_from: Timestamp,
}

/// Change the key that access tokens are signed with
///
/// The new key is published at once and signs some minutes later, when everybody who verifies has it. The one before
/// stays in the key set until its last token has expired, so that no token is refused.
#[utoipa::path(
    tag = "tokens",
    operation_id = "rotateSigningKeys",
    responses(
        (status = 200, description = "The next key", body = NextSigningKey),
        (status = 409, description = "A new key is published already and does not sign yet"),
    )
)]
#[post("/api/v1/tokens/signing-keys/rotate")]
pub async fn rotate_signing_keys(
    require: Require<ManageSigningKeys>,
    context: RequestContext,
    state: web::Data<AuthState>,
) -> Result<HttpResponse, Problem> {
    let next = state.core().rotate_signing_keys(&initiator(&require.caller, context)).await?;
    Ok(HttpResponse::Ok().json(NextSigningKey { kid: next.public.key_id, used_from: next.used_from }))
}

impl From<SigningKeysError> for Problem {
    fn from(error: SigningKeysError) -> Self {
        match error {
            SigningKeysError::UnderWay(_) => Self::with_detail(ProblemCode::Conflict, error.to_string()),
            SigningKeysError::Generate(_) | SigningKeysError::Malformed(_) => Self::internal(error),
            SigningKeysError::Store(error) => store_problem(error),
        }
    }
}
