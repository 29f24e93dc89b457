use actix_web::{HttpResponse, get, web};
use maas_types::{AuditId, Timestamp, UserId};
use maas_web::{FieldFault, PageQuery, Problem, QueryParams, Require, permission::ReadAudit};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{check_filter, no_faults, page, store_problem};
use crate::{
    app::AuthState,
    domain::audit::{ActorKind, AuditEntry, AuditFilter, AuditOutcome},
    store::audit::AuditPosition,
};

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AuditOutcome)]
pub enum OutcomeView {
    Success,
    /// Refused: not allowed.
    Denied,
    /// Allowed, but it did not work.
    Failed,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AuditActorKind)]
pub enum ActorKindView {
    User,
    /// The platform itself, or nobody known.
    System,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListAuditQuery {
    /// Rows of a page, 1 to 1000; 50 when left out.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the previous page.
    pub cursor: Option<String>,
    #[param(example = "key.revoke")]
    pub action: Option<String>,
    #[param(example = "key")]
    pub resource_kind: Option<String>,
    #[param(example = "key_019a9c3b5f0e7c42a1d38b6f0c9e4a57")]
    pub resource_id: Option<String>,
    pub actor_id: Option<UserId>,
    #[param(inline)]
    pub outcome: Option<OutcomeView>,
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// Text in the names of actor, action or resource.
    pub q: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditEntryView {
    pub id: AuditId,
    pub time: Timestamp,
    #[schema(example = "key-management")]
    pub service: String,
    pub actor_kind: ActorKindView,
    pub actor_id: Option<UserId>,
    #[schema(example = "ada")]
    pub actor_name: String,
    #[schema(example = "key.revoke")]
    pub action: String,
    #[schema(example = "key")]
    pub resource_kind: String,
    #[schema(example = "key_019a9c3b5f0e7c42a1d38b6f0c9e4a57")]
    pub resource_id: String,
    pub outcome: OutcomeView,
    /// The resource before, without secrets.
    #[schema(example = json!({"status": "active"}))]
    pub before: Option<Value>,
    /// The resource after, without secrets.
    #[schema(example = json!({"status": "revoked"}))]
    pub after: Option<Value>,
    #[schema(example = "req_019a9c3b5f0e7c42a1d38b6f0c9e4a57")]
    pub request_id: String,
    #[schema(example = "192.0.2.17")]
    pub address: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AuditPage {
    pub data: Vec<AuditEntryView>,
    pub next_cursor: Option<String>,
}

/// List audit entries
#[utoipa::path(
    tag = "audit",
    operation_id = "listAudit",
    params(ListAuditQuery),
    responses((status = 200, description = "What was done on the platform, newest first", body = AuditPage))
)]
#[get("/api/v1/audit")]
pub async fn list_audit(
    _require: Require<ReadAudit>,
    state: web::Data<AuthState>,
    query: QueryParams<ListAuditQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.0;
    let (limit, after) = PageQuery::new(query.limit, query.cursor.clone()).checked()?;
    let filter = filter(query)?;
    let entries = state.core().audit_entries(&filter, limit, after).await.map_err(store_problem)?;
    let (entries, next_cursor) =
        page(entries, limit, |entry| AuditPosition { time_ms: entry.time.unix_ms(), id: entry.id.uuid() });
    Ok(HttpResponse::Ok().json(AuditPage { data: entries.into_iter().map(view).collect(), next_cursor }))
}

fn filter(query: ListAuditQuery) -> Result<AuditFilter, Problem> {
    let texts = [
        ("action", query.action.as_ref()),
        ("resource_kind", query.resource_kind.as_ref()),
        ("resource_id", query.resource_id.as_ref()),
        ("q", query.q.as_ref()),
    ];
    let empty_range = query.from.zip(query.to).filter(|(from, to)| from >= to);
    let empty_range = empty_range.map(|_| FieldFault::new("?from", "not_before_to", "must be earlier than `to`"));
    no_faults(texts.into_iter().filter_map(|(name, text)| check_filter(name, text)).chain(empty_range))?;
    Ok(AuditFilter {
        action: query.action,
        resource_kind: query.resource_kind,
        resource_id: query.resource_id,
        actor_id: query.actor_id.map(UserId::uuid),
        outcome: query.outcome.map(|outcome| match outcome {
            OutcomeView::Success => AuditOutcome::Success,
            OutcomeView::Denied => AuditOutcome::Denied,
            OutcomeView::Failed => AuditOutcome::Failed,
        }),
        from: query.from,
        to: query.to,
        text: query.q,
    })
}

fn view(entry: AuditEntry) -> AuditEntryView {
    AuditEntryView {
        id: entry.id,
        time: entry.time,
        service: entry.service,
        actor_kind: match entry.actor_kind {
            ActorKind::User => ActorKindView::User,
            ActorKind::System => ActorKindView::System,
        },
        actor_id: entry.actor_id.map(UserId::from_uuid),
        actor_name: entry.actor_name,
        action: entry.action,
        resource_kind: entry.resource_kind,
        resource_id: entry.resource_id,
        outcome: match entry.outcome {
            AuditOutcome::Success => OutcomeView::Success,
            AuditOutcome::Denied => OutcomeView::Denied,
            AuditOutcome::Failed => OutcomeView::Failed,
        },
        before: entry.before,
        after: entry.after,
        request_id: entry.request_id,
        address: entry.address,
    }
}
