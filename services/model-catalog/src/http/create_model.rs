//! `POST /api/v1/models`

use actix_web::{HttpResponse, post, web};
use maas_web::{JsonBody, Problem, Require, etag, middleware::RequestContext, permission::ManageModels};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{model::CatalogModel, problem};
use crate::{
    app::CatalogState,
    domain::{
        model_fields::{ModelFields, with_model_fields},
        price::PriceInput,
        upstream_fields::UpstreamFields,
    },
    service::model::CreateModelInput,
};

with_model_fields! {
    #[derive(Debug, Deserialize, ToSchema)]
    CreateModelRequest {
        /// What clients send as `model`; may hold slashes, never changes.
        #[schema(example = "meta/llama-3.1-8b")]
        name: String,
        /// Where the model is served.
        #[serde(default)]
        upstreams: Vec<UpstreamFields>,
        /// The first price; without one, the model costs nothing.
        #[serde(default)]
        price: Option<PriceInput>,
    }
}

/// Makes a model, with its upstreams and its price in one step if they are given.
#[utoipa::path(
    operation_id = "createModel",
    tag = "models",
    request_body = CreateModelRequest,
    responses(
        (status = 201, description = "The new model, with its version as ETag and its address as Location", body = CatalogModel),
        (status = 409, description = "The name is taken")
    )
)]
#[post("/api/v1/models")]
pub async fn create_model(
    require: Require<ManageModels>,
    context: RequestContext,
    body: JsonBody<CreateModelRequest>,
    state: web::Data<CatalogState>,
) -> Result<HttpResponse, Problem> {
    let access = state.0.access.of(&require.caller)?;
    let fields = ModelFields::from(&body.0);
    let CreateModelRequest { name, upstreams, price, .. } = body.0;
    let input = CreateModelInput { name, fields, upstreams, price };
    let created = state.0.create_model(input, &context.actor(&require.caller)).await.map_err(problem)?;
    let whole = state.0.model(created.id).await.map_err(problem)?;
    Ok(HttpResponse::Created()
        .insert_header(("location", format!("/api/v1/models/{}", created.id)))
        .insert_header(etag::header(whole.model.version))
        .json(CatalogModel::to_api(&whole, &access, require.scope, state.0.clock.now())))
}
