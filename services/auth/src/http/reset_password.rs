use actix_web::{HttpResponse, post, web};
use maas_types::UserId;
use maas_web::{PathParam, Problem, Require, middleware::RequestContext, permission::ManageUsers};
use secrecy::ExposeSecret as _;

use super::{
    initiator,
    user_view::{UserView, UserWithOneTimePassword},
};
use crate::app::AuthState;

/// Reset a user's password
///
/// Ends the user's sessions and tokens; they sign in with the one-time password of the answer, and change it then.
#[utoipa::path(
    tag = "users",
    operation_id = "resetPassword",
    params(("id" = UserId, Path, description = "The user")),
    responses(
        (status = 200, description = "The user, with a password that is never shown again", body = UserWithOneTimePassword),
        (status = 404, description = "No such user"),
        (status = 409, description = "The user has no password here, or was changed at the same time"),
    )
)]
#[post("/api/v1/users/{id}/reset-password")]
pub async fn reset_password(
    require: Require<ManageUsers>,
    context: RequestContext,
    state: web::Data<AuthState>,
    id: PathParam<UserId>,
) -> Result<HttpResponse, Problem> {
    let reset = state.core().reset_password(id.0, &initiator(&require.caller, context)).await?;
    Ok(HttpResponse::Ok().json(UserWithOneTimePassword {
        user: UserView::to_api(reset.user),
        one_time_password: reset.one_time_password.expose_secret().to_owned(),
    }))
}
