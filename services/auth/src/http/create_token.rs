use std::time::Duration;

use actix_web::{HttpResponse, post, web};
use maas_tokens::Audience;
use maas_types::TokenId;
use maas_web::{FieldFault, OptionalBody, Problem, ProblemCode};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    store_problem,
    token_holder::{HeldBy, TokenHolder},
};
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
    /// What the token opens: `inference` when left out.
    #[serde(default)]
    pub aud: Option<TokenAudience>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenAudience {
    /// The data plane, and `/maas-api/v1/models`.
    Inference,
    /// The control plane. Only from a session, and only at `/api/v1/tokens`.
    Control,
}

impl From<TokenAudience> for Audience {
    fn from(audience: TokenAudience) -> Self {
        match audience {
            TokenAudience::Inference => Self::Inference,
            TokenAudience::Control => Self::Control,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AccessToken {
    /// Send it as `Authorization: Bearer …`. Never shown again.
    #[schema(example = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSJ9.eyJhdWQiOiJpbmZlcmVuY2UifQ.c2lnbmF0dXJl")]
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
/// A short-lived token, from a session or in exchange for an access token of an identity provider or cluster. A token
/// made here cannot make another one.
#[utoipa::path(
    tag = "tokens",
    operation_id = "createToken",
    params(("provider" = Option<String>, Query, description = "Whose token it is; needed where several clusters are configured")),
    request_body(content = Option<CreateTokenRequest>, description = "May be left out"),
    responses(
        (status = 201, description = "The token", body = AccessToken),
        (status = 400, description = "The expiration is malformed, too short or too long"),
        (status = 403, description = "The caller came with a token of ours, or may not have one for this audience"),
        (status = 429, description = "Too many tokens from this address were refused"),
    )
)]
#[post("/api/v1/tokens")]
pub async fn create_token(
    holder: TokenHolder,
    state: web::Data<AuthState>,
    body: OptionalBody<Option<CreateTokenRequest>>,
) -> Result<HttpResponse, Problem> {
    let may_control = holder.held_by == HeldBy::Session;
    create(&state, &holder, body.0.unwrap_or_default(), may_control).await
}

/// Create an inference token
///
/// The same for clients of earlier platforms; errors are in OpenAI's shape.
#[utoipa::path(
    tag = "compatibility",
    operation_id = "createInferenceToken",
    params(("provider" = Option<String>, Query, description = "Whose token it is; needed where several clusters are configured")),
    request_body(content = Option<CreateTokenRequest>, description = "May be left out"),
    responses(
        (status = 201, description = "The token", body = AccessToken),
        (status = 400, description = "The expiration is malformed, too short or too long"),
        (status = 403, description = "The caller came with a token of ours, or asks for another audience"),
        (status = 429, description = "Too many tokens from this address were refused"),
    )
)]
#[post("/maas-api/v1/tokens")]
pub async fn create_inference_token(
    holder: TokenHolder,
    state: web::Data<AuthState>,
    body: OptionalBody<Option<CreateTokenRequest>>,
) -> Result<HttpResponse, Problem> {
    create(&state, &holder, body.0.unwrap_or_default(), false).await
}

async fn create(
    state: &AuthState,
    holder: &TokenHolder,
    body: CreateTokenRequest,
    may_control: bool,
) -> Result<HttpResponse, Problem> {
    let refused = |detail: &str| Err(Problem::with_detail(ProblemCode::PermissionDenied, detail));
    if holder.held_by == HeldBy::OwnToken {
        return refused("a token cannot create another one");
    }
    let lifetime = lifetime(state, &body)?;
    let audience = body.aud.map_or(Audience::Inference, Audience::from);
    if audience == Audience::Control && !may_control {
        return refused("tokens for the control plane are made at /api/v1/tokens, from a session");
    }
    let issued = state.core().issue_token(holder.user_id, (audience, lifetime), &holder.initiator).await?;
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
            TokenError::NoSuchToken => Self::not_found("token"),
            TokenError::NoSigningKey | TokenError::Signing(_) => Self::internal(error),
            TokenError::Store(error) => store_problem(error),
        }
    }
}
