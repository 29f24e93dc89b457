//! The parts of an OpenShift cluster that let people sign in: OAuth metadata, authorize, token with PKCE, and the API
//! server's `users/~`. Answers have the form that OpenShift 4 gives them.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use actix_web::{HttpRequest, HttpResponse, web};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{token_review::TokenReviews, web_server::WebServer};

/// A service account as OAuth client, as clusters have them.
pub const CLIENT_ID: &str = "system:serviceaccount:maas:maas-auth";
pub const CLIENT_SECRET: &str = "an OpenShift client secret that nobody may see";

/// Stops when dropped. API server and OAuth server share an address.
pub struct FakeOpenShift {
    server: WebServer,
    state: Shared,
    /// The tokens that its API server reviews.
    pub reviews: TokenReviews,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<State>>);

struct State {
    url: String,
    /// Whether the metadata offer PKCE.
    offers_pkce: bool,
    /// `user.openshift.io/v1` `User` of whoever signs in next.
    user: Value,
    /// An OAuth error instead of a sign-in.
    error: Option<String>,
    codes: HashMap<String, Authorization>,
    tokens: HashMap<String, Value>,
    secrets: Vec<String>,
}

struct Authorization {
    redirect_uri: String,
    challenge: String,
    user: Value,
}

impl FakeOpenShift {
    pub fn start() -> io::Result<Self> {
        let mut shared = None;
        let reviews = TokenReviews::default();
        let reviewed = reviews.clone();
        let server = WebServer::start(|url| {
            let state = Shared(Arc::new(Mutex::new(State::new(url.to_owned()))));
            shared = Some(state.clone());
            Arc::new(move |services| {
                reviewed.configure(services);
                services
                    .app_data(web::Data::new(state.clone()))
                    .route("/.well-known/oauth-authorization-server", web::get().to(metadata))
                    .route("/oauth/authorize", web::get().to(authorize))
                    .route("/oauth/token", web::post().to(token))
                    .route("/apis/user.openshift.io/v1/users/~", web::get().to(user));
            })
        })?;
        let state = shared.ok_or_else(|| io::Error::other("the cluster was not configured"))?;
        Ok(Self { server, state, reviews })
    }

    /// The API server.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What the cluster calls itself.
    pub fn issuer(&self) -> String {
        self.url()
    }

    /// Somebody with a `User` object. Groups are null when there are none, as in a cluster.
    pub fn signs_in(&self, name: &str, uid: Option<&str>, groups: &[&str]) {
        let metadata = match uid {
            Some(uid) => json!({"name": name, "uid": uid, "resourceVersion": "4711"}),
            None => json!({"name": name}),
        };
        let groups = if groups.is_empty() { Value::Null } else { json!(groups) };
        let full_name = if uid.is_some() { json!(format!("{name} of the cluster")) } else { Value::Null };
        self.state.lock().user = json!({
            "kind": "User", "apiVersion": "user.openshift.io/v1", "metadata": metadata,
            "fullName": full_name, "identities": null, "groups": groups,
        });
    }

    /// What the browser comes back with instead of a code.
    pub fn refuse_with(&self, error: Option<&str>) {
        self.state.lock().error = error.map(str::to_owned);
    }

    pub fn offer_pkce(&self, offers: bool) {
        self.state.lock().offers_pkce = offers;
    }

    /// Codes, tokens and PKCE verifiers so far, and the client's secret.
    pub fn secrets(&self) -> Vec<String> {
        self.state.lock().secrets.clone()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new(url: String) -> Self {
        Self {
            url,
            offers_pkce: true,
            user: Value::Null,
            error: None,
            codes: HashMap::new(),
            tokens: HashMap::new(),
            secrets: vec![CLIENT_SECRET.to_owned()],
        }
    }

    fn new_secret(&mut self) -> String {
        let secret = format!("sha256~canary-{}", uuid::Uuid::new_v4().simple());
        self.secrets.push(secret.clone());
        secret
    }
}

async fn metadata(state: web::Data<Shared>) -> HttpResponse {
    let state = state.lock();
    let (url, methods) = (&state.url, if state.offers_pkce { vec!["plain", "S256"] } else { vec![] });
    HttpResponse::Ok().json(json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/oauth/authorize"),
        "token_endpoint": format!("{url}/oauth/token"),
        "scopes_supported": ["user:check-access", "user:full", "user:info", "user:list-projects"],
        "response_types_supported": ["code", "token"],
        "grant_types_supported": ["authorization_code", "implicit"],
        "code_challenge_methods_supported": methods,
    }))
}

async fn authorize(state: web::Data<Shared>, query: web::Query<HashMap<String, String>>) -> HttpResponse {
    let wanted = |name: &str| query.get(name).cloned().unwrap_or_default();
    let mut state = state.lock();
    let is_right = wanted("response_type") == "code" && wanted("client_id") == CLIENT_ID;
    if !is_right || wanted("code_challenge_method") != "S256" {
        return HttpResponse::BadRequest().json(json!({"error": "invalid_request"}));
    }
    let mut answer = form_urlencoded::Serializer::new(String::new());
    if let Some(error) = &state.error {
        answer.append_pair("error", error).append_pair("error_description", "as the administrator wishes");
    } else if wanted("scope") != "user:info" {
        answer.append_pair("error", "access_denied");
    } else {
        let code = state.new_secret();
        let user = state.user.clone();
        let (redirect_uri, challenge) = (wanted("redirect_uri"), wanted("code_challenge"));
        state.codes.insert(code.clone(), Authorization { redirect_uri, challenge, user });
        answer.append_pair("code", &code);
    }
    let answer = answer.append_pair("state", &wanted("state")).finish();
    HttpResponse::Found().insert_header(("location", format!("{}?{answer}", wanted("redirect_uri")))).finish()
}

async fn token(state: web::Data<Shared>, form: web::Form<HashMap<String, String>>) -> HttpResponse {
    let sent = |name: &str| form.get(name).cloned().unwrap_or_default();
    let refused = |error: &str| HttpResponse::BadRequest().json(json!({"error": error, "error_description": "no"}));
    let mut state = state.lock();
    state.secrets.push(sent("code_verifier"));
    if sent("client_id") != CLIENT_ID || sent("client_secret") != CLIENT_SECRET {
        return refused("unauthorized_client");
    }
    let Some(authorization) = state.codes.remove(&sent("code")) else { return refused("invalid_grant") };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(sent("code_verifier")));
    if challenge != authorization.challenge || sent("redirect_uri") != authorization.redirect_uri {
        return refused("invalid_grant");
    }
    let token = state.new_secret();
    state.tokens.insert(token.clone(), authorization.user);
    HttpResponse::Ok()
        .json(json!({"access_token": token, "expires_in": 86400, "scope": "user:info", "token_type": "Bearer"}))
}

async fn user(request: HttpRequest, state: web::Data<Shared>) -> HttpResponse {
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let state = state.lock();
    match header.strip_prefix("Bearer ").and_then(|token| state.tokens.get(token)) {
        Some(user) => HttpResponse::Ok().json(user),
        None => HttpResponse::Unauthorized().json(json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "Unauthorized", "reason": "Unauthorized", "code": 401,
        })),
    }
}
