use actix_web::{HttpResponse, post, web};
use maas_types::KeyId;
use maas_web::{PathParam, Problem, Require, middleware::RequestContext, permission::ManageKeys};

use super::{answer_stopped, body::StoppedKey};
use crate::service::{KeyService, RotationEnd};

/// Ends the secret before a rotation now, ahead of its time. The new one stays.
#[utoipa::path(
    operation_id = "finishKeyRotation",
    tag = "keys",
    params(("id" = KeyId, Path, description = "Id of the key")),
    responses(
        (status = 200, description = "The key with its new secret only", body = StoppedKey,
            headers(("ETag" = String, description = "Version of the key, for If-Match"))),
        (status = 404, description = "There is no such key, or it is somebody else's"),
        (status = 409, description = "No rotation of the key is under way, or it is revoked"),
    )
)]
#[post("/api/v1/keys/{id}/rotation/finish")]
pub async fn finish_key_rotation(
    require: Require<ManageKeys>,
    context: RequestContext,
    id: PathParam<KeyId>,
    service: web::Data<KeyService>,
) -> Result<HttpResponse, Problem> {
    let scope = service.reach(&require.caller, require.scope);
    let actor = context.actor(&require.caller);
    let stopped = service.end_rotation(id.0, RotationEnd::Finish, &scope, &actor).await?;
    Ok(answer_stopped(stopped, service.clock.now()))
}
