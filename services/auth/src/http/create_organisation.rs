use actix_web::{HttpResponse, post, web};
use maas_web::{JsonBody, Problem, Require, etag, middleware::RequestContext, permission::ManageOrganisations};

use super::{
    initiator, name_fault, no_faults,
    organisation_view::{OrganisationRequest, OrganisationView},
};
use crate::app::AuthState;

/// Create an organisation
///
/// It groups teams for reports; nobody's rights follow from it.
#[utoipa::path(
    tag = "teams",
    operation_id = "createOrganisation",
    request_body = OrganisationRequest,
    responses(
        (status = 201, description = "The organisation", body = OrganisationView),
        (status = 409, description = "The name is taken"),
    )
)]
#[post("/api/v1/organisations")]
pub async fn create_organisation(
    require: Require<ManageOrganisations>,
    context: RequestContext,
    state: web::Data<AuthState>,
    body: JsonBody<OrganisationRequest>,
) -> Result<HttpResponse, Problem> {
    no_faults(name_fault("/name", Some(&body.0.name)))?;
    let created = state.core().create_organisation(body.0.name, &initiator(&require.caller, context)).await?;
    Ok(HttpResponse::Created()
        .insert_header(("location", format!("/api/v1/organisations/{}", created.id)))
        .insert_header(etag::header(created.version))
        .json(OrganisationView::to_api(created)))
}
