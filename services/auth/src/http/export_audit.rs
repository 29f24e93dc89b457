use actix_web::{HttpResponse, get, web};
use maas_web::{
    FieldFault, Problem, QueryParams, Require, export::FileFormat, middleware::RequestContext, permission::ReadAudit,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    audit_file::{self, AuditFile},
    audit_query::AuditFilterQuery,
    audit_view::AuditEntryView,
    initiator, store_problem,
};
use crate::app::AuthState;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ExportAuditQuery {
    /// csv, json or ndjson; csv when left out.
    #[param(example = "csv")]
    pub format: Option<String>,
}

/// Export audit entries
///
/// All entries that the filters let through, newest first, streamed. If something fails on the way, the connection is
/// closed in the middle. In CSV a text that a spreadsheet would take for a formula begins with an apostrophe. At most two
/// exports of a caller run at once; each is an audit entry itself.
#[utoipa::path(
    tag = "audit",
    operation_id = "exportAudit",
    params(AuditFilterQuery, ExportAuditQuery),
    responses(
        (status = 200, description = "The file", content(
            (Vec<AuditEntryView> = "application/json"),
            (String = "text/csv"),
            (String = "application/x-ndjson"),
        )),
        (status = 429, description = "Two exports of yours, or many of others, are running")
    )
)]
#[get("/api/v1/audit/export")]
pub async fn export_audit(
    require: Require<ReadAudit>,
    context: RequestContext,
    state: web::Data<AuthState>,
    QueryParams((filter, query)): QueryParams<(AuditFilterQuery, ExportAuditQuery)>,
) -> Result<HttpResponse, Problem> {
    let filter = filter.checked()?;
    let format = file_format(query.format.as_deref())?;
    let core = state.core();
    let slot = core.export_slots.take(require.caller.user_id)?;
    core.note_audit_export(&filter, &initiator(&require.caller, context)).await.map_err(store_problem)?;
    let file = AuditFile { format, day: core.now().to_string().chars().take(10).collect() };
    audit_file::respond(file, state.get_ref().clone(), filter, slot).await
}

fn file_format(text: Option<&str>) -> Result<FileFormat, Problem> {
    let Some(text) = text else { return Ok(FileFormat::Csv) };
    FileFormat::parse(text).ok_or_else(|| {
        Problem::invalid(vec![FieldFault::new("?format", "invalid_value", "must be csv, json or ndjson")])
    })
}
