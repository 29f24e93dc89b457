use std::time::Duration;

use actix_web::{HttpResponse, post, web};
use maas_types::TokenId;
use maas_web::{
    FieldFault, OptionalBody, Problem, ProblemCode, Require, middleware::RequestContext, permission::CreateToken,
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{initiator, session_of, store_problem};
use crate::{
    app::AuthState,
    domain::expiration::{ExpirationFault, to_go_text},
    service::tokens::TokenError,
};

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTokenRequest {
    /// How long the token lives: a duration such as `1h` or `2h30m`, or seconds as a number or its text. Four hours
    /// when left out, at least ten minutes.
    #[serde(default)]
    #[schema(example = "2h30m")]
    pub expiration: Value,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AccessToken {
    /// Send it as `Authorization: Bearer …`. Never shown again.
    #[schema(example = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSJ9.eyJhdWQiOiJjb250cm9sIn0.c2lnbmF0dXJl")]
    pub token: String,
    #[schema(example = "2h30m0s")]
    pub expiration: String,
    /// Unix seconds.
    #[serde(rename = "expiresAt")]
    #[schema(example = 1_763_639_998)]
    pub expires_at: i64,
    /// Unix seconds.
    #[serde(rename = "issuedAt")]
    #[schema(example = 1_763_630_998)]
    pub issued_at: i64,
    pub jti: TokenId,
}

/// Create an access token
///
/// A short-lived token for programs that manage the platform, from a session only: a token cannot make another one.
#[utoipa::path(
    tag = "tokens",
    operation_id = "createToken",
    security(("session_cookie" = [])),
    request_body(content = Option<CreateTokenRequest>, description = "May be left out"),
    responses(
        (status = 201, description = "The token", body = AccessToken),
        (status = 400, description = "The expiration is malformed, too short or too long"),
        (status = 403, description = "The caller came with a token"),
    )
)]
#[post("/api/v1/tokens")]
pub async fn create_token(
    require: Require<CreateToken>,
    context: RequestContext,
    state: web::Data<AuthState>,
    body: OptionalBody<Option<CreateTokenRequest>>,
) -> Result<HttpResponse, Problem> {
    if session_of(&require.caller).is_none() {
        return Err(Problem::with_detail(ProblemCode::PermissionDenied, "a token cannot create another one"));
    }
    let lifetime = lifetime(&state, &body.0.unwrap_or_default())?;
    let initiator = initiator(&require.caller, context);
    let issued = state.core().issue_control_token(require.caller.user_id, lifetime, &initiator).await?;
    Ok(HttpResponse::Created().json(AccessToken {
        token: issued.token.expose_secret().to_owned(),
        expiration: to_go_text(lifetime),
        expires_at: issued.claims.exp,
        issued_at: issued.claims.iat,
        jti: issued.claims.jti,
    }))
}

fn lifetime(state: &AuthState, body: &CreateTokenRequest) -> Result<Duration, Problem> {
    state.core().settings.token_lifetimes().choose(&body.expiration).map_err(|fault| {
        let code = match fault {
            ExpirationFault::Malformed => "invalid_duration",
            ExpirationFault::TooShort => "too_short",
            ExpirationFault::TooLong(_) => "too_long",
        };
        Problem::invalid(vec![FieldFault::new("/expiration", code, fault.to_string())])
    })
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::NoActiveUser => Self::new(ProblemCode::NotAuthenticated),
            TokenError::Signing(error) => Self::internal(error),
            TokenError::Store(error) => store_problem(error),
        }
    }
}
