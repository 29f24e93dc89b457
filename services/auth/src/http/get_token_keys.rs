//! For the proxies, on the internal listener: what access tokens are verified with.

use actix_web::{HttpResponse, get, web};
use maas_web::internal::FromService;

use crate::app::AuthState;

/// The issuer and its public keys, those that do not sign yet too.
#[get("/internal/v1/token-keys")]
pub async fn get_token_keys(_: FromService, state: web::Data<AuthState>) -> HttpResponse {
    HttpResponse::Ok().json(state.core().signing.public())
}
