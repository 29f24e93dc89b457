//! `GET /internal/v1/state/models`: everything a proxy needs at its start.

use actix_web::{HttpResponse, web};
use maas_types::ModelId;
use maas_web::{Problem, internal::FromService};
use prost::Message as _;

use super::problem;
use crate::app::CatalogState;

pub const PATH: &str = "/internal/v1/state/models";

/// All models and tombstones as `ModelState`, each with its length in front.
pub async fn internal_models(_service: FromService, state: web::Data<CatalogState>) -> Result<HttpResponse, Problem> {
    let mut body = Vec::new();
    let mut after: Option<ModelId> = None;
    loop {
        let step = state.0.models_after(after).await.map_err(problem)?;
        let Some(last) = step.last() else { break };
        after = Some(last.model.id);
        for whole in &step {
            append(&whole.to_state(), &mut body)?;
        }
    }
    for tombstone in state.0.tombstones().await.map_err(problem)? {
        append(&tombstone.to_state(), &mut body)?;
    }
    Ok(HttpResponse::Ok().content_type("application/x-protobuf").body(body))
}

fn append(model: &maas_events::state::ModelState, body: &mut Vec<u8>) -> Result<(), Problem> {
    model.encode_length_delimited(body).map_err(Problem::internal)
}
