use actix_web::{HttpResponse, get, web};
use maas_types::Currency;
use maas_web::{Problem, WebSettings};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::AuthState;

#[derive(Debug, Serialize, ToSchema)]
pub struct SignInProvider {
    #[schema(example = "local")]
    pub id: &'static str,
    /// `password`: send user name and password to `POST /api/v1/auth/login`.
    #[schema(example = "password")]
    pub kind: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PlatformConfig {
    #[schema(example = "https://maas.example.org")]
    pub public_url: String,
    pub sign_in_providers: Vec<SignInProvider>,
    pub currency: Currency,
    #[schema(example = "0.1.0")]
    pub version: &'static str,
}

/// What a client needs to know before anybody signed in
#[utoipa::path(
    tag = "platform",
    operation_id = "getConfig",
    security(()),
    responses((status = 200, description = "The public configuration", body = PlatformConfig))
)]
#[get("/api/v1/config")]
pub async fn get_config(
    state: web::Data<AuthState>,
    web_settings: web::Data<WebSettings>,
) -> Result<HttpResponse, Problem> {
    let settings = &state.core().settings;
    let configured = (!settings.public_url.is_empty()).then(|| settings.public_url.clone());
    let providers = state.core().providers().into_iter();
    Ok(HttpResponse::Ok().json(PlatformConfig {
        public_url: configured.unwrap_or_else(|| web_settings.public_origin.clone()),
        sign_in_providers: providers
            .map(|provider| SignInProvider { id: provider.id, kind: provider.kind.as_str() })
            .collect(),
        currency: settings.currency,
        version: env!("CARGO_PKG_VERSION"),
    }))
}
