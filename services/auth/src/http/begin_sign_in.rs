use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time},
    get,
    http::header::LOCATION,
    web,
};
use maas_web::{FieldFault, Problem, QueryParams, WebSettings, middleware::RequestContext};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    app::AuthState,
    domain::sign_in_attempt::{ATTEMPT_LIFETIME, SignInFailure, is_secret_shaped},
    service::begin_sign_in::{BeginSignInInput, SignInBegun},
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BeginSignInQuery {
    /// Where the browser goes afterwards: an address below one of `auth.return_urls`, or a path of the platform's own.
    #[serde(default)]
    #[param(example = "/keys")]
    pub return_to: Option<String>,
}

/// Sign in at an identity provider
///
/// For a browser, as the target of a link: sends it to the provider. It comes back to `return_to`, signed in, or with
/// `error` in the query; the codes are on the page about sign-in. `GET /api/v1/config` lists the providers.
#[utoipa::path(
    tag = "sessions",
    operation_id = "beginSignIn",
    security(()),
    params(
        ("provider" = String, Path, description = "The id of a provider", example = "corp"),
        BeginSignInQuery,
    ),
    responses(
        (status = 302, description = "To the provider, or to the return address with `error` if that is not possible"),
        (status = 404, description = "There is no such provider to be sent to"),
    )
)]
#[get("/api/v1/auth/login/{provider}")]
pub async fn begin_sign_in(
    request: HttpRequest,
    path: web::Path<String>,
    query: QueryParams<BeginSignInQuery>,
    context: RequestContext,
    state: web::Data<AuthState>,
    web_settings: web::Data<WebSettings>,
) -> Result<HttpResponse, Problem> {
    let core = state.core();
    let provider = core.federation.find(&path).ok_or_else(|| Problem::not_found("provider"))?;
    let return_to = match &query.0.return_to {
        None => core.return_urls.default_url(),
        Some(asked) => core.return_urls.check(asked).ok_or_else(refused_return_address)?,
    };
    let input = BeginSignInInput {
        return_to: return_to.clone(),
        browser: browser_of(&request, &web_settings),
        address: context.client_address,
        request_id: context.request_id,
    };
    match core.begin_sign_in(provider, input).await {
        Ok(SignInBegun { authorization_url, browser }) => {
            let cookie = browser_cookie(&web_settings, &browser);
            Ok(HttpResponse::Found().insert_header((LOCATION, authorization_url.as_str())).cookie(cookie).finish())
        }
        Err(error) => Ok(back_with(return_to, error.failure())),
    }
}

/// To the return address, with the code of what went wrong and nothing else.
pub(super) fn back_with(mut return_to: Url, failure: SignInFailure) -> HttpResponse {
    return_to.query_pairs_mut().append_pair("error", failure.code());
    HttpResponse::Found().insert_header((LOCATION, return_to.as_str())).finish()
}

fn refused_return_address() -> Problem {
    let detail = "must lie below one of the platform's return addresses";
    Problem::invalid(vec![FieldFault::new("?return_to", "not_allowed", detail)])
}

fn cookie_name(settings: &WebSettings) -> &'static str {
    if settings.is_https() { "__Host-maas-login" } else { "maas_login" }
}

/// What tells this browser from others, if it began to sign in before.
pub(super) fn browser_of(request: &HttpRequest, settings: &WebSettings) -> Option<SecretString> {
    let cookie = request.cookie(cookie_name(settings))?;
    is_secret_shaped(cookie.value()).then(|| cookie.value().into())
}

/// Lax: the browser comes back from another site, by a link.
fn browser_cookie(settings: &WebSettings, browser: &SecretString) -> Cookie<'static> {
    let seconds = i64::try_from(ATTEMPT_LIFETIME.as_secs()).unwrap_or(i64::MAX);
    Cookie::build(cookie_name(settings), browser.expose_secret().to_owned())
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(settings.is_https())
        .max_age(time::Duration::seconds(seconds))
        .finish()
}
