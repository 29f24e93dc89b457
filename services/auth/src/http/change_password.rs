use actix_web::{FromRequest as _, HttpRequest, HttpResponse, post, web};
use maas_web::{FieldFault, JsonBody, Problem, ProblemCode, caller::authenticate, middleware::RequestContext};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{attempts_problem, initiator, pool_problem, session_of, store_problem};
use crate::{
    app::AuthState,
    domain::password::PasswordFault,
    service::password::{ChangePasswordError, ChangePasswordInput},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePasswordRequest {
    #[schema(example = "k7w2mfx9hq4bzt6rdn3cjy8vpg5e", format = Password)]
    pub current_password: String,
    /// At least 12 characters, at most 1024 bytes, and not the current one.
    #[schema(example = "correct horse battery staple", format = Password, min_length = 12)]
    pub new_password: String,
}

/// Change one's password
///
/// Ends all other sessions. The only thing, besides signing out, that a session with a one-time password can do.
#[utoipa::path(
    tag = "sessions",
    operation_id = "changePassword",
    request_body = ChangePasswordRequest,
    responses(
        (status = 204, description = "The password is changed"),
        (status = 400, description = "The current password is wrong, or the new one is not acceptable"),
        (status = 409, description = "The account has no password here, or was changed at the same time"),
        (status = 429, description = "Too many attempts; Retry-After says when to try again"),
    )
)]
#[post("/api/v1/auth/password")]
pub async fn change_password(
    request: HttpRequest,
    context: RequestContext,
    state: web::Data<AuthState>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    // `Require` would refuse a session that must change its password. The body comes second: who is not signed in
    // learns nothing about its faults.
    let caller = authenticate(&request).await?;
    let body = JsonBody::<ChangePasswordRequest>::from_request(&request, &mut payload.into_inner()).await?;
    let input = ChangePasswordInput {
        user_id: caller.user_id,
        current: body.0.current_password.into(),
        new: body.0.new_password.into(),
        keep: session_of(&caller),
        initiator: initiator(&caller, context),
    };
    state.core().change_password(input).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl From<ChangePasswordError> for Problem {
    fn from(error: ChangePasswordError) -> Self {
        match error {
            ChangePasswordError::Unacceptable(fault) => {
                let code = match fault {
                    PasswordFault::TooShort => "too_short",
                    PasswordFault::TooLong => "too_long",
                    PasswordFault::Unchanged => "unchanged",
                };
                Self::invalid(vec![FieldFault::new("/new_password", code, fault.to_string())])
            }
            // Not 401: the session is good, and clients sign out on a 401.
            ChangePasswordError::WrongCurrent => {
                Self::invalid(vec![FieldFault::new("/current_password", "wrong_password", error.to_string())])
            }
            ChangePasswordError::TooManyAttempts(error) => attempts_problem(error),
            ChangePasswordError::NoPassword | ChangePasswordError::ChangedMeanwhile => {
                Self::with_detail(ProblemCode::Conflict, error.to_string())
            }
            ChangePasswordError::Password(error) => pool_problem(error),
            ChangePasswordError::Store(error) => store_problem(error),
        }
    }
}
