use actix_web::{HttpResponse, delete, web};
use maas_types::UserId;
use maas_web::{PathParam, Problem, Require, etag::IfMatch, middleware::RequestContext, permission::ManageUsers};

use super::{initiator, user_view::DeletedUser};
use crate::app::AuthState;

/// Delete a user
///
/// Names, issuer and subject are forgotten; sessions, tokens and keys end. The id stays in usage and in the audit book.
/// Who comes again is somebody new; to keep somebody out, disable them.
#[utoipa::path(
    tag = "users",
    operation_id = "deleteUser",
    params(
        ("id" = UserId, Path, description = "The user"),
        ("if-match" = Option<String>, Header, description = "The ETag of the user as it was read", example = "\"3\""),
    ),
    responses(
        (status = 200, description = "The user is gone", body = DeletedUser),
        (status = 404, description = "No such user"),
        (status = 409, description = "The last active admin cannot be deleted, or the user was changed at the same time"),
        (status = 412, description = "The user was changed since it was read"),
    )
)]
#[delete("/api/v1/users/{id}")]
pub async fn delete_user(
    require: Require<ManageUsers>,
    context: RequestContext,
    state: web::Data<AuthState>,
    id: PathParam<UserId>,
    if_match: IfMatch,
) -> Result<HttpResponse, Problem> {
    let deleted = state.core().delete_user(id.0, if_match.0, &initiator(&require.caller, context)).await?;
    Ok(HttpResponse::Ok().json(DeletedUser::to_api(deleted)))
}
