//! The endpoints of OpenID Connect Discovery 1.0 and Core 1.0 that a code flow needs.

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix_web::{HttpRequest, HttpResponse, web};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Authorization, CLIENT_ID, CLIENT_SECRET, Shared, TokenEndpoint};
use crate::web_server::ConfigureFn;

type Form = HashMap<String, String>;

pub(super) fn configure(state: Shared) -> ConfigureFn {
    Arc::new(move |services| {
        services
            .app_data(web::Data::new(state.clone()))
            .route("/.well-known/openid-configuration", web::get().to(metadata))
            .route("/keys", web::get().to(key_set))
            .route("/authorize", web::get().to(authorize))
            .route("/token", web::post().to(token))
            .route("/userinfo", web::get().to(userinfo));
    })
}

async fn metadata(state: web::Data<Shared>) -> HttpResponse {
    let state = state.lock();
    if state.is_down {
        return HttpResponse::ServiceUnavailable().finish();
    }
    let url = &state.url;
    HttpResponse::Ok().json(json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "userinfo_endpoint": format!("{url}/userinfo"),
        "jwks_uri": format!("{url}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    }))
}

async fn key_set(state: web::Data<Shared>) -> HttpResponse {
    let mut state = state.lock();
    if state.is_down {
        return HttpResponse::ServiceUnavailable().finish();
    }
    state.key_set_reads += 1;
    HttpResponse::Ok().json(json!({"keys": [state.key.jwk()]}))
}

/// Whoever signs in consents to everything.
async fn authorize(state: web::Data<Shared>, query: web::Query<Form>) -> HttpResponse {
    let wanted = |name: &str| query.get(name).cloned().unwrap_or_default();
    let is_right = wanted("response_type") == "code"
        && wanted("client_id") == CLIENT_ID
        && wanted("code_challenge_method") == "S256"
        && wanted("scope").split(' ').any(|scope| scope == "openid")
        && !wanted("nonce").is_empty();
    if !is_right {
        return HttpResponse::BadRequest().body("not a code flow with PKCE");
    }
    let mut state = state.lock();
    let code = state.new_secret("code");
    let authorization = Authorization {
        redirect_uri: wanted("redirect_uri"),
        challenge: wanted("code_challenge"),
        nonce: wanted("nonce"),
        person: state.person.clone(),
    };
    state.codes.insert(code.clone(), authorization);
    let answer = form_urlencoded::Serializer::new(String::new())
        .append_pair("code", &code)
        .append_pair("state", &wanted("state"))
        .append_pair("iss", &state.url)
        .finish();
    HttpResponse::Found().insert_header(("location", format!("{}?{answer}", wanted("redirect_uri")))).finish()
}

async fn token(request: HttpRequest, state: web::Data<Shared>, form: web::Form<Form>) -> HttpResponse {
    let behaviour = state.lock().token_endpoint;
    match behaviour {
        TokenEndpoint::Honest => {}
        TokenEndpoint::Garbage => {
            return HttpResponse::Ok().content_type("application/json").body("{\"access_token\":");
        }
        TokenEndpoint::Huge => return HttpResponse::Ok().content_type("application/json").body(vec![b' '; 8 << 20]),
        TokenEndpoint::Silent => {
            actix_web::rt::time::sleep(Duration::from_secs(600)).await;
            return HttpResponse::GatewayTimeout().finish();
        }
        TokenEndpoint::Redirecting => {
            return HttpResponse::TemporaryRedirect().insert_header(("location", "/elsewhere")).finish();
        }
        TokenEndpoint::Failing => return HttpResponse::InternalServerError().body("stack trace"),
    }
    let mut state = state.lock();
    let sent = |name: &str| form.get(name).cloned().unwrap_or_default();
    state.secrets.push(sent("code_verifier"));
    if !is_client(&request) {
        return refused("invalid_client");
    }
    // Gone, whatever comes next: a code is good once.
    let Some(authorization) = state.codes.remove(&sent("code")) else { return refused("invalid_grant") };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(sent("code_verifier")));
    if challenge != authorization.challenge || sent("redirect_uri") != authorization.redirect_uri {
        return refused("invalid_grant");
    }
    HttpResponse::Ok().json(state.tokens(&authorization))
}

fn is_client(request: &HttpRequest) -> bool {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let expected = format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(CLIENT_ID), encode(CLIENT_SECRET))));
    request.headers().get("authorization").is_some_and(|sent| sent.as_bytes() == expected.as_bytes())
}

fn refused(error: &str) -> HttpResponse {
    HttpResponse::BadRequest().json(json!({"error": error, "error_description": "what was sent: see the request"}))
}

async fn userinfo(request: HttpRequest, state: web::Data<Shared>) -> HttpResponse {
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let state = state.lock();
    match header.strip_prefix("Bearer ").and_then(|token| state.access_tokens.get(token)) {
        Some(claims) => HttpResponse::Ok().json(Value::Object(claims.clone())),
        None => HttpResponse::Unauthorized().finish(),
    }
}
