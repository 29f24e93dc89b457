//! `PATCH /api/v1/upstreams/{id}`

use actix_web::{HttpResponse, patch, web};
use maas_types::UpstreamId;
use maas_web::{
    JsonBody, PathParam, Problem, Require,
    etag::{self, IfMatch},
    middleware::RequestContext,
    permission::ManageModels,
};

use super::{problem, upstream::CatalogUpstream};
use crate::{app::CatalogState, domain::upstream_fields::UpstreamFields};

/// Changes an upstream; what is left out stays, but a stored secret goes when scheme, host or port change.
#[utoipa::path(
    operation_id = "updateUpstream",
    tag = "upstreams",
    params(
        ("id" = UpstreamId, Path, description = "The upstream's id"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version that is to be changed")
    ),
    request_body = UpstreamFields,
    responses(
        (status = 200, description = "The changed upstream, with its version as ETag", body = CatalogUpstream),
        (status = 404, description = "No such upstream"),
        (status = 412, description = "Somebody changed it since it was read")
    )
)]
#[patch("/api/v1/upstreams/{id}")]
pub async fn update_upstream(
    require: Require<ManageModels>,
    context: RequestContext,
    id: PathParam<UpstreamId>,
    if_match: IfMatch,
    body: JsonBody<UpstreamFields>,
    state: web::Data<CatalogState>,
) -> Result<HttpResponse, Problem> {
    let actor = context.actor(&require.caller);
    let upstream = state.0.update_upstream(id.0, &body.0, if_match.0, &actor).await.map_err(problem)?;
    let body = CatalogUpstream::to_api(&upstream);
    Ok(HttpResponse::Ok().insert_header(etag::header(upstream.version)).json(body))
}
