use actix_web::{HttpResponse, get, web};
use maas_types::{Timestamp, UtcDay};
use maas_web::{FieldFault, Problem, QueryParams, Require, permission::ReadAudit};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::store_problem;
use crate::{
    app::AuthState,
    domain::audit_chain::{ChainFault, ChainFaultKind},
    service::audit_chain::CheckedDay,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditChainQuery {
    /// The day, UTC, of storing; today when left out.
    #[param(example = "2026-11-20", value_type = Option<String>, format = Date)]
    pub day: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AuditChain {
    #[schema(example = "2026-11-20")]
    pub day: String,
    /// Nothing of the day was changed, removed, added or moved since it was stored.
    pub intact: bool,
    /// Entries that were stored on the day.
    #[schema(example = 1284)]
    pub entries: u64,
    /// SHA-256 in hexadecimal: what the first entry of the day follows.
    pub previous_digest: String,
    /// SHA-256 in hexadecimal of the last entry. Note it somewhere else: as long as the book says the same for this day
    /// and this number of entries, nobody has rewritten it.
    pub digest: String,
    /// When the entries were dropped because their retention was over; count and digests are kept.
    pub removed_at: Option<Timestamp>,
    /// The first 100 faults.
    pub faults: Vec<AuditChainFault>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AuditChainFault {
    /// changed, missing, added or unlinked.
    #[schema(example = "missing")]
    pub code: &'static str,
    /// The first entry concerned, counted from 1 in the day.
    #[schema(example = 17)]
    pub first_sequence: u64,
    #[schema(example = 17)]
    pub last_sequence: u64,
    pub detail: &'static str,
}

/// Check a day of the audit book
///
/// Reads all entries of the day and compares them with their chain of digests. At most two such checks or exports of a
/// caller run at once.
#[utoipa::path(
    tag = "audit",
    operation_id = "getAuditChain",
    params(AuditChainQuery),
    responses(
        (status = 200, description = "Whether the day is as it was stored, and its last digest", body = AuditChain),
        (status = 429, description = "Two checks or exports of yours, or many of others, are running")
    )
)]
#[get("/api/v1/audit/chain")]
pub async fn get_audit_chain(
    require: Require<ReadAudit>,
    state: web::Data<AuthState>,
    query: QueryParams<AuditChainQuery>,
) -> Result<HttpResponse, Problem> {
    let core = state.core();
    let day = match query.0.day.as_deref() {
        None => UtcDay::of(core.now()),
        Some(text) => text.parse().map_err(|_| not_a_day())?,
    };
    let _slot = core.export_slots.take(require.caller.user_id)?;
    let checked = core.check_audit_day(day).await.map_err(store_problem)?;
    Ok(HttpResponse::Ok().json(view(checked)))
}

fn not_a_day() -> Problem {
    Problem::invalid(vec![FieldFault::new("?day", "invalid_value", "not a day: expected YYYY-MM-DD")])
}

fn view(checked: CheckedDay) -> AuditChain {
    let line = checked.line;
    AuditChain {
        day: line.day.to_string(),
        intact: checked.faults.is_empty(),
        entries: line.entries,
        previous_digest: line.previous_text(),
        digest: line.digest_text(),
        removed_at: line.removed_at,
        faults: checked.faults.into_iter().map(fault_view).collect(),
    }
}

fn fault_view(fault: ChainFault) -> AuditChainFault {
    let detail = match fault.kind {
        ChainFaultKind::Changed => "this entry, or the one before it, is not what it was when it was stored",
        ChainFaultKind::Missing => "these entries are gone",
        ChainFaultKind::Added => "these entries were not stored by the book",
        ChainFaultKind::Unlinked => {
            "the day and its neighbour do not follow each other: a day between them is gone, or a \
                                     line was changed"
        }
    };
    AuditChainFault { code: fault.kind.as_str(), first_sequence: fault.first, last_sequence: fault.last, detail }
}
