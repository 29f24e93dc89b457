use actix_web::{HttpResponse, get, web};
use maas_web::internal::FromService;

use super::export_states::export;
use crate::{app::AuthState, service::told::Told};

/// Length-delimited `UserState` messages.
#[get("/internal/v1/state/users")]
pub async fn export_user_states(_: FromService, state: web::Data<AuthState>) -> HttpResponse {
    export(Told::Users, &state.core().database)
}
