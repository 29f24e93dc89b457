use actix_web::{HttpResponse, delete, web};
use maas_types::UserId;
use maas_web::{
    PathParam, Problem, Require, etag::IfMatch, middleware::RequestContext, permission::ManageServiceAccounts,
};

use super::{directory::team_authority, initiator, user_view::DeletedUser};
use crate::app::AuthState;

/// Delete a service account
///
/// Its keys end. The id stays in usage and in the audit book.
#[utoipa::path(
    tag = "service-accounts",
    operation_id = "deleteServiceAccount",
    params(
        ("id" = UserId, Path, description = "The service account"),
        ("if-match" = Option<String>, Header, description = "The ETag of the account as it was read", example = "\"3\""),
    ),
    responses(
        (status = 200, description = "The service account is gone", body = DeletedUser),
        (status = 404, description = "No such service account, or one of a team that the caller does not own"),
        (status = 409, description = "The account was changed at the same time"),
        (status = 412, description = "The account was changed since it was read"),
    )
)]
#[delete("/api/v1/service-accounts/{id}")]
pub async fn delete_service_account(
    require: Require<ManageServiceAccounts>,
    context: RequestContext,
    state: web::Data<AuthState>,
    id: PathParam<UserId>,
    if_match: IfMatch,
) -> Result<HttpResponse, Problem> {
    let (authority, initiator) = (team_authority(require.scope), initiator(&require.caller, context));
    let deleted = state.core().delete_service_account(id.0, if_match.0, authority, &initiator).await?;
    Ok(HttpResponse::Ok().json(DeletedUser::to_api(deleted)))
}
