use actix_web::{HttpResponse, get, web};
use maas_web::{PageQuery, Problem, QueryParams, Require, permission::ReadAudit};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    audit_query::AuditFilterQuery,
    audit_view::{AuditEntryView, view},
    page, store_problem,
};
use crate::{app::AuthState, store::audit::AuditPosition};

#[derive(Debug, Serialize, ToSchema)]
pub struct AuditPage {
    pub data: Vec<AuditEntryView>,
    pub next_cursor: Option<String>,
}

/// List audit entries
#[utoipa::path(
    tag = "audit",
    operation_id = "listAudit",
    params(AuditFilterQuery, PageQuery),
    responses((status = 200, description = "What was done on the platform, newest first", body = AuditPage))
)]
#[get("/api/v1/audit")]
pub async fn list_audit(
    _require: Require<ReadAudit>,
    state: web::Data<AuthState>,
    QueryParams((filter, wanted)): QueryParams<(AuditFilterQuery, PageQuery)>,
) -> Result<HttpResponse, Problem> {
    let (limit, after) = wanted.checked()?;
    let filter = filter.checked()?;
    let entries = state.core().audit_entries(&filter, limit, after).await.map_err(store_problem)?;
    let (entries, next_cursor) = page(entries, limit, AuditPosition::of);
    Ok(HttpResponse::Ok().json(AuditPage { data: entries.into_iter().map(view).collect(), next_cursor }))
}
