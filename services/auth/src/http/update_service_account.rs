use actix_web::{HttpResponse, patch, web};
use maas_types::UserId;
use maas_web::{
    JsonBody, PathParam, Problem, Require,
    etag::{self, IfMatch},
    middleware::RequestContext,
    permission::ManageServiceAccounts,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    directory::team_authority,
    initiator, name_fault, no_faults,
    user_view::{ChangedUserView, StatusChange},
};
use crate::{app::AuthState, domain::user::UserChange};

/// What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateServiceAccountRequest {
    /// The keys of a disabled account do not work.
    pub status: Option<StatusChange>,
    #[schema(example = "Nightly evaluation of the search team", min_length = 1, max_length = 255)]
    pub display_name: Option<String>,
}

/// Change a service account
#[utoipa::path(
    tag = "service-accounts",
    operation_id = "updateServiceAccount",
    params(
        ("id" = UserId, Path, description = "The service account"),
        ("if-match" = Option<String>, Header, description = "The ETag of the account as it was read", example = "\"3\""),
    ),
    request_body = UpdateServiceAccountRequest,
    responses(
        (status = 200, description = "The service account after the change", body = ChangedUserView),
        (status = 404, description = "No such service account, or one of a team that the caller does not own"),
        (status = 409, description = "The account was changed at the same time"),
        (status = 412, description = "The account was changed since it was read"),
    )
)]
#[patch("/api/v1/service-accounts/{id}")]
pub async fn update_service_account(
    require: Require<ManageServiceAccounts>,
    context: RequestContext,
    state: web::Data<AuthState>,
    id: PathParam<UserId>,
    if_match: IfMatch,
    body: JsonBody<UpdateServiceAccountRequest>,
) -> Result<HttpResponse, Problem> {
    let body = body.0;
    no_faults(name_fault("/display_name", body.display_name.as_ref()))?;
    let status = body.status.map(StatusChange::from_api);
    let change = UserChange { status, display_name: body.display_name, ..UserChange::default() };
    let (authority, initiator) = (team_authority(require.scope), initiator(&require.caller, context));
    let changed = state.core().update_service_account(id.0, &change, if_match.0, authority, &initiator).await?;
    let etag = etag::header(changed.user.version);
    Ok(HttpResponse::Ok().insert_header(etag).json(ChangedUserView::to_api(changed)))
}
