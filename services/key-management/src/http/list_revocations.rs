//! What was revoked, for a proxy that asks: the way of revocations that does without the bus.

use actix_web::{HttpResponse, get, web};
use maas_revocation::RevocationQuery;
use maas_web::internal::FromService;
use prost::Message as _;

use crate::service::KeyService;

/// A `Revocations` message; also when the database does not answer, which it says.
#[get("/internal/v1/revocations")]
pub async fn list_revocations(
    _: FromService,
    service: web::Data<KeyService>,
    query: web::Query<RevocationQuery>,
) -> HttpResponse {
    let told = service.revocations.answer(&query).await;
    HttpResponse::Ok().content_type("application/x-protobuf").body(told.encode_to_vec())
}
