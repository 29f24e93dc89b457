use actix_web::{HttpResponse, patch, web};
use maas_types::OrganisationId;
use maas_web::{
    JsonBody, PathParam, Problem, Require,
    etag::{self, IfMatch},
    middleware::RequestContext,
    permission::ManageOrganisations,
};

use super::{
    initiator, name_fault, no_faults,
    organisation_view::{OrganisationRequest, OrganisationView},
};
use crate::app::AuthState;

/// Rename an organisation
#[utoipa::path(
    tag = "teams",
    operation_id = "updateOrganisation",
    params(
        ("id" = OrganisationId, Path, description = "The organisation"),
        ("if-match" = Option<String>, Header, description = "The ETag of the organisation as it was read", example = "\"3\""),
    ),
    request_body = OrganisationRequest,
    responses(
        (status = 200, description = "The organisation after the change", body = OrganisationView),
        (status = 404, description = "No such organisation"),
        (status = 409, description = "The name is taken"),
        (status = 412, description = "The organisation was changed since it was read"),
    )
)]
#[patch("/api/v1/organisations/{id}")]
pub async fn update_organisation(
    require: Require<ManageOrganisations>,
    context: RequestContext,
    state: web::Data<AuthState>,
    id: PathParam<OrganisationId>,
    if_match: IfMatch,
    body: JsonBody<OrganisationRequest>,
) -> Result<HttpResponse, Problem> {
    no_faults(name_fault("/name", Some(&body.0.name)))?;
    let initiator = initiator(&require.caller, context);
    let renamed = state.core().rename_organisation(id.0, body.0.name, if_match.0, &initiator).await?;
    Ok(HttpResponse::Ok().insert_header(etag::header(renamed.version)).json(OrganisationView::to_api(renamed)))
}
