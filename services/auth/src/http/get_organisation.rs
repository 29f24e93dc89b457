use actix_web::{HttpResponse, get, web};
use maas_types::OrganisationId;
use maas_web::{PathParam, Problem, Require, etag, permission::ReadOrganisations};

use super::{organisation_view::OrganisationView, store_problem};
use crate::app::AuthState;

/// Get an organisation
#[utoipa::path(
    tag = "teams",
    operation_id = "getOrganisation",
    params(("id" = OrganisationId, Path, description = "The organisation")),
    responses(
        (status = 200, description = "The organisation; the ETag is for changes", body = OrganisationView),
        (status = 404, description = "No such organisation"),
    )
)]
#[get("/api/v1/organisations/{id}")]
pub async fn get_organisation(
    _require: Require<ReadOrganisations>,
    state: web::Data<AuthState>,
    id: PathParam<OrganisationId>,
) -> Result<HttpResponse, Problem> {
    let found = state.core().organisation(id.0).await.map_err(store_problem)?;
    let found = found.ok_or_else(|| Problem::not_found("organisation"))?;
    Ok(HttpResponse::Ok().insert_header(etag::header(found.version)).json(OrganisationView::to_api(found)))
}
