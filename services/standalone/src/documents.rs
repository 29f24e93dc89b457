//! The OpenAPI document of the whole platform.

use std::io::Write as _;

use maas_runtime::exit::StartError;
use maas_web::openapi::{merge, to_text};

/// Writes the merged document to stdout; what is committed as `openapi/maas.json`.
pub fn print_merged() -> Result<(), StartError> {
    let documents = [
        maas_auth::openapi(),
        maas_key_management::openapi(),
        maas_model_catalog::openapi(),
        maas_usage_ingest::openapi(),
        maas_proxy::openapi(),
    ];
    let merged = merge(documents).map_err(|problem| StartError::Internal(anyhow::anyhow!(problem)))?;
    let text = to_text(&merged).map_err(anyhow::Error::from)?;
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| StartError::Internal(error.into()))
}
