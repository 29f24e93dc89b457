use actix_web::{HttpResponse, get, web};
use maas_web::internal::FromService;

use super::export_states::export;
use crate::{app::AuthState, service::told::Told};

/// Length-delimited `TeamState` messages.
#[get("/internal/v1/state/teams")]
pub async fn export_team_states(_: FromService, state: web::Data<AuthState>) -> HttpResponse {
    export(Told::Teams, &state.core().database)
}
