use actix_web::{get, web};
use maas_web::{PageQuery, Problem, QueryParams, Require, page_of, permission::ReadPlans};
use serde::Serialize;
use utoipa::ToSchema;

use super::plan_view::PlanBody;
use crate::service::KeyService;

#[derive(Debug, Serialize, ToSchema)]
pub struct PlanPage {
    data: Vec<PlanBody>,
    /// For the next page; null on the last one.
    #[schema(example = json!(null))]
    next_cursor: Option<String>,
}

/// Lists the plans, the highest level first.
#[utoipa::path(
    operation_id = "listPlans",
    tag = "plans",
    params(PageQuery),
    responses((status = 200, description = "A page of plans", body = PlanPage))
)]
#[get("/api/v1/plans")]
pub async fn list_plans(
    _require: Require<ReadPlans>,
    query: QueryParams<PageQuery>,
    service: web::Data<KeyService>,
) -> Result<web::Json<PlanPage>, Problem> {
    let plans = service.list_plans().await?;
    let (page, next_cursor) = page_of(plans, &query.0, |plan| plan.id.to_string())?;
    Ok(web::Json(PlanPage { data: page.iter().map(PlanBody::to_api).collect(), next_cursor }))
}
