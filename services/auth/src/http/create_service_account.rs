use actix_web::{HttpResponse, post, web};
use maas_types::TeamId;
use maas_web::{JsonBody, Problem, Require, etag, middleware::RequestContext, permission::ManageServiceAccounts};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{directory::team_authority, initiator, name_fault, no_faults, user_view::UserView};
use crate::{app::AuthState, service::service_accounts::CreateServiceAccountInput};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateServiceAccountRequest {
    /// Unique among users and service accounts; never changes.
    #[schema(example = "nightly-evaluation", min_length = 1, max_length = 255)]
    pub name: String,
    #[schema(example = "Nightly evaluation of the search team", min_length = 1, max_length = 255)]
    pub display_name: Option<String>,
    /// The team that owns it; only admins leave it out, for an account of the platform.
    pub team_id: Option<TeamId>,
}

/// Create a service account
///
/// It owns keys and cannot sign in. Admins may, and owners of a team for their team.
#[utoipa::path(
    tag = "service-accounts",
    operation_id = "createServiceAccount",
    request_body = CreateServiceAccountRequest,
    responses(
        (status = 201, description = "The service account", body = UserView),
        (status = 400, description = "The team is missing or not one of the caller's"),
        (status = 403, description = "The caller is in the team and does not own it"),
        (status = 409, description = "The name is taken"),
    )
)]
#[post("/api/v1/service-accounts")]
pub async fn create_service_account(
    require: Require<ManageServiceAccounts>,
    context: RequestContext,
    state: web::Data<AuthState>,
    body: JsonBody<CreateServiceAccountRequest>,
) -> Result<HttpResponse, Problem> {
    let body = body.0;
    let faults = [name_fault("/name", Some(&body.name)), name_fault("/display_name", body.display_name.as_ref())];
    no_faults(faults.into_iter().flatten())?;
    let input = CreateServiceAccountInput { name: body.name, display_name: body.display_name, team: body.team_id };
    let initiator = initiator(&require.caller, context);
    let account = state.core().create_service_account(input, team_authority(require.scope), &initiator).await?;
    Ok(HttpResponse::Created()
        .insert_header(("location", format!("/api/v1/service-accounts/{}", account.id)))
        .insert_header(etag::header(account.version))
        .json(UserView::to_api(account)))
}
