use actix_web::{get, web};
use maas_runtime::config::HumanDuration;
use maas_web::{Problem, Require, permission::CreateKey};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{domain::expiry::MAX_EPHEMERAL, service::KeyService};

/// How long keys may live here.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyPresets {
    /// Lives to choose from, as `expires_in` takes them, the shortest first.
    #[schema(example = json!(["1d", "7d", "30d", "90d", "365d"]))]
    expires_in: Vec<String>,
    /// What a key gets when nothing is said.
    #[schema(example = "90d")]
    default: String,
    #[schema(example = "365d")]
    maximum: String,
    /// Whether `never` is accepted.
    never_allowed: bool,
    #[schema(example = "1h")]
    ephemeral_maximum: String,
    /// The longest time for which the secret before a rotation may go on working.
    #[schema(example = "30d")]
    rotation_overlap_maximum: String,
}

/// Shows how long API keys may live, and lives to choose from.
#[utoipa::path(
    operation_id = "getKeyPresets",
    tag = "keys",
    responses((status = 200, description = "The lives of keys", body = KeyPresets))
)]
#[get("/api/v1/keys/presets")]
pub async fn get_key_presets(
    _: Require<CreateKey>,
    service: web::Data<KeyService>,
) -> Result<web::Json<KeyPresets>, Problem> {
    let text = |duration| HumanDuration(duration).to_string();
    Ok(web::Json(KeyPresets {
        expires_in: service.expiry_presets.iter().copied().map(text).collect(),
        default: text(service.expiry.default),
        maximum: text(service.expiry.maximum),
        never_allowed: service.expiry.allow_never,
        ephemeral_maximum: text(MAX_EPHEMERAL),
        rotation_overlap_maximum: text(service.max_rotation_overlap),
    }))
}
