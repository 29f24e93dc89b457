use actix_web::{HttpResponse, get, web};
use maas_tokens::PublicKey;
use maas_web::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::AuthState;

/// An Ed25519 public key (RFC 8037).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SigningKey)]
pub struct SigningKeyView {
    #[schema(example = "OKP")]
    pub kty: &'static str,
    #[schema(example = "Ed25519")]
    pub crv: &'static str,
    #[schema(example = "EdDSA")]
    pub alg: &'static str,
    #[serde(rename = "use")]
    #[schema(example = "sig")]
    pub key_use: &'static str,
    #[schema(example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    pub kid: String,
    #[schema(example = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]
    pub x: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SigningKeySet {
    pub keys: Vec<SigningKeyView>,
}

/// The keys that access tokens are signed with
///
/// A JSON Web Key Set. A new key is in it some minutes before it signs, an old one until its last token has expired.
#[utoipa::path(
    tag = "tokens",
    operation_id = "getSigningKeys",
    security(()),
    responses((status = 200, description = "The key set", body = SigningKeySet))
)]
#[get("/.well-known/jwks.json")]
pub async fn get_signing_keys(state: web::Data<AuthState>) -> Result<HttpResponse, Problem> {
    let keys = state.core().signing.ring().public_keys().map(view).collect();
    Ok(HttpResponse::Ok().insert_header(("cache-control", "public, max-age=300")).json(SigningKeySet { keys }))
}

fn view(key: &PublicKey) -> SigningKeyView {
    SigningKeyView {
        kty: "OKP",
        crv: "Ed25519",
        alg: "EdDSA",
        key_use: "sig",
        kid: key.key_id.clone(),
        x: key.x.clone(),
    }
}
