use actix_web::{HttpResponse, get, web};
use maas_types::KeyId;
use maas_web::{PathParam, Problem, Require, permission::ReadKeys};

use super::{answer, body::KeyBody};
use crate::service::KeyService;

/// Shows one API key, without its secret.
#[utoipa::path(
    operation_id = "getKey",
    tag = "keys",
    params(("id" = KeyId, Path, description = "Id of the key")),
    responses(
        (status = 200, description = "The key", body = KeyBody,
            headers(("ETag" = String, description = "Version of the key, for If-Match"))),
        (status = 404, description = "There is no such key, or it is somebody else's"),
    )
)]
#[get("/api/v1/keys/{id}")]
pub async fn get_key(
    require: Require<ReadKeys>,
    id: PathParam<KeyId>,
    service: web::Data<KeyService>,
) -> Result<HttpResponse, Problem> {
    let scope = service.reach(&require.caller, require.scope);
    let key = service.get_key(id.0, &scope).await?;
    Ok(answer(HttpResponse::Ok(), &key, service.clock.now()))
}
