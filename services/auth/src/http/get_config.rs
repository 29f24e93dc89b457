use actix_web::{HttpResponse, get, web};
use maas_types::Currency;
use maas_web::{Problem, WebSettings};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::AuthState,
    domain::provider::{Provider, ProviderKind},
};

#[derive(Debug, Serialize, ToSchema)]
pub struct SignInProvider {
    #[schema(example = "corp")]
    pub id: String,
    /// `password`: send user name and password to `login_path`, POST. `oidc`, `openshift`: send the browser there, GET,
    /// with `return_to` in the query.
    #[schema(example = "oidc")]
    pub kind: &'static str,
    /// For people.
    #[schema(example = "Company account")]
    pub display_name: String,
    #[schema(example = "/api/v1/auth/login/corp")]
    pub login_path: String,
    /// What this process saw of the provider last: `untried`, `ready` or `failing`.
    #[schema(example = "ready")]
    pub state: &'static str,
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
        sign_in_providers: providers.map(SignInProvider::to_api).collect(),
        currency: settings.currency,
        version: env!("CARGO_PKG_VERSION"),
    }))
}

impl SignInProvider {
    fn to_api(provider: Provider) -> Self {
        let login_path = match provider.kind {
            ProviderKind::Password => "/api/v1/auth/login".to_owned(),
            ProviderKind::Oidc | ProviderKind::OpenShift => format!("/api/v1/auth/login/{}", provider.id),
        };
        Self {
            kind: provider.kind.as_str(),
            state: provider.state.as_str(),
            id: provider.id,
            display_name: provider.display_name,
            login_path,
        }
    }
}
