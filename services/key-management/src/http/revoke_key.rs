use actix_web::{HttpResponse, post, web};
use maas_types::KeyId;
use maas_types::input::check_text;
use maas_web::{OptionalBody, PathParam, Problem, Require, middleware::RequestContext, permission::ManageKeys};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{MAX_REASON, answer_stopped, body::StoppedKey, invalid};
use crate::{domain::key::StatusChange, service::KeyService};

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeKeyRequest {
    /// Why; goes into the audit record.
    #[serde(default)]
    #[schema(example = "The laptop was lost", max_length = 500)]
    reason: Option<String>,
}

impl RevokeKeyRequest {
    fn into_change(self) -> Result<StatusChange, Problem> {
        let mut faults = Vec::new();
        check_text("/reason", self.reason.as_deref().unwrap_or(""), MAX_REASON, &mut faults);
        if faults.is_empty() { Ok(StatusChange::Revoke { reason: self.reason }) } else { Err(invalid(faults)) }
    }
}

/// Revokes an API key for ever. The answer comes once that is durable and after at most 2 seconds, and says how many proxies
/// refuse the key; one that has not confirmed is named, with the time by which it refuses it in any case. Revoking again
/// changes nothing.
#[utoipa::path(
    operation_id = "revokeKey",
    tag = "keys",
    params(("id" = KeyId, Path, description = "Id of the key")),
    request_body(content = Option<RevokeKeyRequest>, description = "May be left out"),
    responses(
        (status = 200, description = "The revoked key, and how many proxies refuse it", body = StoppedKey,
            headers(("ETag" = String, description = "Version of the key, for If-Match"))),
        (status = 404, description = "There is no such key, or it is somebody else's"),
    )
)]
#[post("/api/v1/keys/{id}/revoke")]
pub async fn revoke_key(
    require: Require<ManageKeys>,
    context: RequestContext,
    id: PathParam<KeyId>,
    body: OptionalBody<RevokeKeyRequest>,
    service: web::Data<KeyService>,
) -> Result<HttpResponse, Problem> {
    let scope = service.reach(&require.caller, require.scope);
    let actor = context.actor(&require.caller);
    let stopped = service.stop_key(id.0, &body.0.into_change()?, &scope, &actor).await?;
    Ok(answer_stopped(stopped, service.clock.now()))
}
