use actix_web::{post, web};
use maas_revocation::owner::Confirmation;
use maas_types::{
    KeyId, TeamId, UserId,
    input::{InputFault, MAX_NAME, check_text},
};
use maas_web::{JsonBody, Problem, Require, middleware::RequestContext, permission::ManageKeys};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{MAX_REASON, invalid};
use crate::{
    domain::{
        labels::{Labels, check_labels},
        owner::KeyScope,
    },
    service::{BulkOutcome, BulkRevokeInput, BulkRevokedKey, KeyService},
    store::{KeyFilter, ModelFilter},
};

/// At least one of owner, team, model and labels; several narrow each other.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkRevokeKeysRequest {
    #[serde(default)]
    owner_id: Option<UserId>,
    #[serde(default)]
    team_id: Option<TeamId>,
    /// Keys whose own list names this model, by its public name. Those without a list are not meant.
    #[serde(default)]
    #[schema(example = "meta/llama-3.3-70b")]
    model: Option<String>,
    /// Keys that have all of these.
    #[serde(default)]
    #[schema(example = json!({"stage": "test"}))]
    labels: Labels,
    /// Why; goes into the keys and into the audit records.
    #[schema(example = "The test stage was taken down", min_length = 1, max_length = 500)]
    reason: String,
    /// Only tells what would be revoked.
    #[serde(default)]
    #[schema(default = false)]
    dry_run: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BulkRevokedKeys {
    dry_run: bool,
    /// One for each key, the newest first, at most 1000.
    data: Vec<BulkRevokedItem>,
    /// There are more than one call takes: call again. Not set when nothing is left.
    has_more: bool,
    /// Of all that were revoked. Null: none was.
    revocation: Option<Confirmation>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BulkRevokedItem {
    id: KeyId,
    #[schema(example = "support-bot test")]
    name: String,
    owner_id: UserId,
    outcome: BulkOutcomeBody,
}

/// matched: a dry run, it would be revoked. failed: it was left as it is; call again.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BulkRevokeOutcome)]
pub enum BulkOutcomeBody {
    Matched,
    Revoked,
    Failed,
}

impl BulkRevokeKeysRequest {
    fn into_input(self, scope: KeyScope) -> Result<BulkRevokeInput, Problem> {
        let mut faults = Vec::new();
        let names_nothing =
            self.owner_id.is_none() && self.team_id.is_none() && self.model.is_none() && self.labels.is_empty();
        if names_nothing {
            faults.push(InputFault::new("", "empty", "name at least one of owner_id, team_id, model and labels"));
        }
        if self.reason.trim().is_empty() {
            faults.push(InputFault::new("/reason", "empty", "say why"));
        }
        check_text("/reason", &self.reason, MAX_REASON, &mut faults);
        check_text("/model", self.model.as_deref().unwrap_or_default(), MAX_NAME, &mut faults);
        check_labels(&self.labels, &mut faults);
        if !faults.is_empty() {
            return Err(invalid(faults));
        }
        let filter = KeyFilter {
            owner_id: self.owner_id,
            team_id: self.team_id,
            model: self.model.map(ModelFilter::Named),
            labels: self.labels.into_iter().collect(),
            ..KeyFilter::of(scope)
        };
        Ok(BulkRevokeInput { filter, reason: self.reason, dry_run: self.dry_run })
    }
}

impl BulkRevokedItem {
    fn to_api(item: BulkRevokedKey) -> Self {
        let outcome = match item.outcome {
            BulkOutcome::Matched => BulkOutcomeBody::Matched,
            BulkOutcome::Revoked => BulkOutcomeBody::Revoked,
            BulkOutcome::Failed => BulkOutcomeBody::Failed,
        };
        Self { id: item.id, name: item.name, owner_id: item.owner_id, outcome }
    }
}

/// Revokes many API keys at once: one's own, those of teams that one owns, or everybody's for admins. Keys that are revoked
/// already are not among them.
#[utoipa::path(
    operation_id = "bulkRevokeKeys",
    tag = "keys",
    request_body = BulkRevokeKeysRequest,
    responses((status = 200, description = "What became of each key", body = BulkRevokedKeys))
)]
#[post("/api/v1/keys/bulk-revoke")]
pub async fn bulk_revoke_keys(
    require: Require<ManageKeys>,
    context: RequestContext,
    body: JsonBody<BulkRevokeKeysRequest>,
    service: web::Data<KeyService>,
) -> Result<web::Json<BulkRevokedKeys>, Problem> {
    let scope = service.reach(&require.caller, require.scope);
    let input = body.0.into_input(scope)?;
    let dry_run = input.dry_run;
    let revoked = service.bulk_revoke(input, &context.actor(&require.caller)).await?;
    Ok(web::Json(BulkRevokedKeys {
        dry_run,
        data: revoked.items.into_iter().map(BulkRevokedItem::to_api).collect(),
        has_more: revoked.has_more,
        revocation: revoked.confirmation,
    }))
}
