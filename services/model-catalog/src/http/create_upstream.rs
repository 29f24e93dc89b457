//! `POST /api/v1/models/{id}/upstreams`

use actix_web::{HttpResponse, post, web};
use maas_types::ModelId;
use maas_web::{JsonBody, PathParam, Problem, Require, etag, middleware::RequestContext, permission::ManageModels};

use super::{problem, upstream::CatalogUpstream};
use crate::{app::CatalogState, domain::upstream_fields::UpstreamFields};

/// Adds an upstream to a model.
#[utoipa::path(
    operation_id = "createUpstream",
    tag = "upstreams",
    params(("id" = ModelId, Path, description = "The model's id")),
    request_body = UpstreamFields,
    responses(
        (status = 201, description = "The new upstream, with its version as ETag", body = CatalogUpstream),
        (status = 404, description = "No such model")
    )
)]
#[post("/api/v1/models/{id}/upstreams")]
pub async fn create_upstream(
    require: Require<ManageModels>,
    context: RequestContext,
    id: PathParam<ModelId>,
    body: JsonBody<UpstreamFields>,
    state: web::Data<CatalogState>,
) -> Result<HttpResponse, Problem> {
    let actor = context.actor(&require.caller);
    let upstream = state.0.create_upstream(id.0, &body.0, &actor).await.map_err(problem)?;
    Ok(HttpResponse::Created()
        .insert_header(("location", format!("/api/v1/upstreams/{}", upstream.id)))
        .insert_header(etag::header(upstream.version))
        .json(CatalogUpstream::to_api(&upstream)))
}
