use actix_web::{HttpResponse, get, web};
use maas_web::{PageQuery, Problem, QueryParams, Require, permission::ReadOrganisations};
use serde::Serialize;
use utoipa::ToSchema;

use super::{organisation_view::OrganisationView, page, store_problem};
use crate::app::AuthState;

#[derive(Debug, Serialize, ToSchema)]
pub struct OrganisationPage {
    pub data: Vec<OrganisationView>,
    pub next_cursor: Option<String>,
}

/// List organisations
#[utoipa::path(
    tag = "teams",
    operation_id = "listOrganisations",
    params(PageQuery),
    responses((status = 200, description = "Organisations, oldest first", body = OrganisationPage))
)]
#[get("/api/v1/organisations")]
pub async fn list_organisations(
    _require: Require<ReadOrganisations>,
    state: web::Data<AuthState>,
    query: QueryParams<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let (limit, after) = query.0.checked()?;
    let organisations = state.core().organisations(limit, after).await.map_err(store_problem)?;
    let (organisations, next_cursor) = page(organisations, limit, |organisation| organisation.id);
    let data = organisations.into_iter().map(OrganisationView::to_api).collect();
    Ok(HttpResponse::Ok().json(OrganisationPage { data, next_cursor }))
}
