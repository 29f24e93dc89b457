//! The first load of a new proxy: every plan's state value, deleted ones too.

use actix_web::{HttpResponse, get, web};
use maas_web::{Problem, internal::FromService};
use prost::Message as _;

use super::of_store;
use crate::{access_events::plan_state, service::KeyService, store};

/// Length-delimited `PlanState` messages.
#[get("/internal/v1/state/plans")]
pub async fn export_plan_states(_: FromService, service: web::Data<KeyService>) -> Result<HttpResponse, Problem> {
    let plans = store::plan::all(service.database.reader()).await.map_err(of_store)?;
    let body: Vec<u8> = plans.iter().flat_map(|plan| plan_state(plan).encode_length_delimited_to_vec()).collect();
    Ok(HttpResponse::Ok().content_type("application/x-protobuf; delimited=true").body(body))
}
