//! `GET /maas-api/v1/models`: the list in the form that clients of earlier platforms know.

use actix_web::{get, web};
use maas_web::{ForInference, Problem, permission::ReadModels};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem;
use crate::{app::CatalogState, domain::model::ModelStatus, events::WholeModel, store::model_page::ModelFilter};

#[derive(Debug, Serialize, ToSchema)]
pub struct AvailableModelList {
    #[schema(example = "list")]
    pub object: &'static str,
    /// By name; never null.
    pub data: Vec<AvailableModel>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AvailableModel {
    /// The public name, what clients send as `model`.
    #[schema(example = "meta/llama-3.1-8b")]
    pub id: String,
    #[schema(example = "model")]
    pub object: &'static str,
    /// Unix seconds.
    pub created: i64,
    #[schema(example = "meta")]
    pub owned_by: String,
    /// The base URL for clients.
    #[schema(example = "https://maas.example.org/v1")]
    pub url: String,
    pub ready: bool,
    #[serde(rename = "modelDetails")]
    pub model_details: AvailableModelDetails,
    pub aliases: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AvailableModelDetails {
    pub display_name: String,
    pub description: String,
    /// chat, agent, coding and the like.
    pub genai_use_case: String,
    #[schema(example = 131072)]
    pub context_window: Option<u32>,
}

/// Every model that is offered and opened by the caller's plan, also those whose use is restricted.
#[utoipa::path(
    operation_id = "listAvailableModels",
    tag = "compatibility",
    responses((status = 200, description = "The models, by name", body = AvailableModelList))
)]
#[get("/maas-api/v1/models")]
pub async fn list_available_models(
    allowed: ForInference<ReadModels>,
    state: web::Data<CatalogState>,
) -> Result<web::Json<AvailableModelList>, Problem> {
    let names = state.0.access.of(&allowed.0.caller)?.opened();
    let filter = ModelFilter { offered_only: true, status: None, names };
    let models = state.0.all_models(filter).await.map_err(problem)?;
    let url = format!("{}/v1", state.0.public_url.trim_end_matches('/'));
    let data = models.into_iter().map(|whole| to_api(whole, &url)).collect();
    Ok(web::Json(AvailableModelList { object: "list", data }))
}

fn to_api(whole: WholeModel, url: &str) -> AvailableModel {
    let ready = whole.status() == ModelStatus::Ready;
    let model = whole.model;
    AvailableModel {
        object: "model",
        created: model.created_at.unix_seconds(),
        owned_by: model.owned_by().to_owned(),
        url: url.to_owned(),
        ready,
        model_details: AvailableModelDetails {
            display_name: model.display_name,
            description: model.description,
            genai_use_case: model.category,
            context_window: (model.context_length > 0).then_some(model.context_length),
        },
        id: model.name,
        aliases: model.aliases,
    }
}
