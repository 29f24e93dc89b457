//! Who is calling the control plane: the credential of a request, and what resolves it.

use std::sync::Arc;

use actix_web::{HttpRequest, http::Method, web};
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use maas_types::{Role, SessionId, TeamId, TeamRole, TokenId, UserId};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{
    problem::{Problem, ProblemCode},
    refusals::KnownCaller,
};

/// The longest session id or token that is looked at.
const MAX_CREDENTIAL_BYTES: usize = 4_096;
/// What API keys start with; they never open the control plane.
const API_KEY_PREFIX: &str = "sk-maas-";

/// An authenticated person or service account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    pub user_id: UserId,
    pub user_name: String,
    pub role: Role,
    pub via: Via,
    /// The one-time password is still in use: nothing but changing it is allowed.
    pub must_change_password: bool,
    /// The teams that the caller belongs to, in no order. An answer of auth without the field names none.
    #[serde(default)]
    pub teams: Vec<TeamMembership>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamMembership {
    pub team_id: TeamId,
    pub role: TeamRole,
}

impl Caller {
    pub fn team_role(&self, team: TeamId) -> Option<TeamRole> {
        self.teams.iter().find(|membership| membership.team_id == team).map(|membership| membership.role)
    }

    /// The teams that the caller owns: what these used is theirs to see, and their members theirs to choose.
    pub fn owned_teams(&self) -> Vec<TeamId> {
        let owned = self.teams.iter().filter(|membership| membership.role == TeamRole::Owner);
        owned.map(|membership| membership.team_id).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    Session(SessionId),
    /// A token for the control plane.
    Token(TokenId),
    /// A token that calls models and sees which there are, and opens nothing else.
    InferenceToken(TokenId),
}

/// What a request presented; not checked yet.
#[derive(Debug, Clone)]
pub enum Credential {
    /// The value of the session cookie.
    Session(SecretString),
    /// A bearer token that should be one of our access tokens.
    Token(SecretString),
}

#[derive(Debug, thiserror::Error)]
#[error("the identity service cannot be asked")]
pub struct IdentityUnavailable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Turns a credential into a caller: over internal HTTP, or directly where auth lives in the same process.
#[async_trait]
pub trait CallerResolver: Send + Sync + 'static {
    /// `None`: the credential is not valid (any more).
    async fn resolve(&self, credential: &Credential) -> Result<Option<Caller>, IdentityUnavailable>;
}

pub type SharedCallerResolver = Arc<dyn CallerResolver>;

/// What the control plane needs to know of its own address.
#[derive(Debug, Clone)]
pub struct WebSettings {
    /// Scheme, host and port under which people reach the platform, e.g. `https://maas.example.org`.
    pub public_origin: String,
    /// Other origins whose scripts may call with a session.
    pub allowed_origins: Vec<String>,
    /// Proxies whose `x-forwarded-for` is believed.
    pub trusted_proxies: Vec<maas_types::Cidr>,
}

impl WebSettings {
    /// Cookies are bound to the host and to TLS wherever people reach us by https.
    pub fn is_https(&self) -> bool {
        self.public_origin.starts_with("https://")
    }

    pub fn session_cookie(&self) -> &'static str {
        if self.is_https() { "__Host-maas" } else { "maas_session" }
    }
}

/// The token that a browser must send in `x-csrf-token` with each change: known only to who can read the sign-in
/// answer, computed from the session secret so that nothing needs to be stored.
pub fn csrf_token(session: &SecretString) -> String {
    let mut hash = Sha256::new();
    hash.update(b"maas csrf v1\0");
    hash.update(session.expose_secret().as_bytes());
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

/// The caller of this request, or the problem that says why there is none.
pub async fn authenticate(request: &HttpRequest) -> Result<Caller, Problem> {
    let caller = authenticate_for_inference(request).await?;
    match caller.via {
        Via::Session(_) | Via::Token(_) => Ok(caller),
        Via::InferenceToken(_) => {
            let detail = "this token calls models; it cannot manage anything";
            Err(Problem::with_detail(ProblemCode::PermissionDenied, detail))
        }
    }
}

/// The same where those may ask, too, who came with a token that calls models.
pub async fn authenticate_for_inference(request: &HttpRequest) -> Result<Caller, Problem> {
    let settings = request.app_data::<web::Data<WebSettings>>().ok_or_else(|| Problem::internal("no web settings"))?;
    let resolver =
        request.app_data::<web::Data<SharedCallerResolver>>().ok_or_else(|| Problem::internal("no caller resolver"))?;
    let credential = credential(request, settings)?.ok_or_else(|| Problem::new(ProblemCode::NotAuthenticated))?;
    if let Credential::Session(session) = &credential
        && let Err(refused) = check_same_site(request, settings, session)
    {
        // Whom somebody tried to act for is worth a record; the refusal does not wait for more than that.
        if let Ok(Some(caller)) = resolver.resolve(&credential).await {
            KnownCaller::leave(request, &caller);
        }
        return Err(refused);
    }
    let resolved = resolver.resolve(&credential).await.map_err(|error| {
        let problem = Problem { cause: Some(Box::new(error)), ..Problem::new(ProblemCode::IdentityUnavailable) };
        problem.retry_after(2)
    })?;
    let caller = resolved.ok_or_else(|| Problem::new(ProblemCode::NotAuthenticated))?;
    KnownCaller::leave(request, &caller);
    Ok(caller)
}

/// What a request presents as an API key, whatever it is.
pub(crate) fn presented_key(request: &HttpRequest) -> Option<&str> {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    text("x-api-key").or_else(|| text("authorization")?.split_once(' ').map(|(_, token)| token.trim()))
}

/// The first credential present decides: the header, then the cookie.
pub fn credential(request: &HttpRequest, settings: &WebSettings) -> Result<Option<Credential>, Problem> {
    let malformed = || Problem::new(ProblemCode::NotAuthenticated);
    if request.headers().contains_key("x-api-key") {
        return Err(Problem::new(ProblemCode::ApiKeyNotAllowed));
    }
    if let Some(header) = request.headers().get("authorization") {
        let text = header.to_str().map_err(|_| malformed())?;
        let token = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let token = token.map(|(_, token)| token.trim()).ok_or_else(malformed)?;
        if token.starts_with(API_KEY_PREFIX) {
            return Err(Problem::new(ProblemCode::ApiKeyNotAllowed));
        }
        if token.len() > MAX_CREDENTIAL_BYTES {
            return Err(malformed());
        }
        return Ok(Some(Credential::Token(token.into())));
    }
    let cookie = request.cookie(settings.session_cookie());
    Ok(cookie.filter(|cookie| cookie.value().len() <= 128).map(|cookie| Credential::Session(cookie.value().into())))
}

/// A change with a cookie must come from our own pages: right origin, and the token only those can know.
fn check_same_site(request: &HttpRequest, settings: &WebSettings, session: &SecretString) -> Result<(), Problem> {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    check_origin(request, settings)?;
    let sent = request.headers().get("x-csrf-token").map(|value| value.as_bytes()).unwrap_or_default();
    let expected = csrf_token(session);
    if bool::from(sent.ct_eq(expected.as_bytes())) {
        return Ok(());
    }
    Err(Problem::with_detail(ProblemCode::CsrfRefused, "send the csrf_token of the sign-in answer in x-csrf-token"))
}

/// Refuses a browser's request from a foreign page. The origin must be ours, an allowed one, or the host called. The
/// last is for those who reach a plain-HTTP process under several names; with https the scheme counts, too, and only
/// the configured origins are known to have the right one.
pub fn check_origin(request: &HttpRequest, settings: &WebSettings) -> Result<(), Problem> {
    let origin = request.headers().get("origin").and_then(|value| value.to_str().ok());
    let refused = || Problem::with_detail(ProblemCode::CsrfRefused, "the Origin header does not match");
    let origin = origin.ok_or_else(refused)?;
    let host = request.headers().get("host").and_then(|value| value.to_str().ok());
    let same_host = !settings.is_https() && origin.strip_prefix("http://").is_some_and(|own| Some(own) == host);
    if same_host || origin == settings.public_origin || settings.allowed_origins.iter().any(|allowed| allowed == origin)
    {
        return Ok(());
    }
    Err(refused())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn is_accepted(public_origin: &str, host: &'static str, origin: &'static str) -> bool {
        let settings = WebSettings {
            public_origin: public_origin.to_owned(),
            allowed_origins: vec!["https://portal.example".to_owned()],
            trusted_proxies: Vec::new(),
        };
        let request = TestRequest::default().insert_header(("host", host)).insert_header(("origin", origin));
        check_origin(&request.to_http_request(), &settings).is_ok()
    }

    #[test]
    fn with_https_only_the_configured_origins_may_change_things() {
        let accepted = |origin| is_accepted("https://maas.example", "maas.example", origin);
        assert!(accepted("https://maas.example") && accepted("https://portal.example"));
        for origin in ["http://maas.example", "https://other.example", "null", "", "https://maas.example.evil"] {
            assert!(!accepted(origin), "{origin}");
        }
        assert!(!is_accepted("https://maas.example", "other.example", "https://other.example"));
    }

    #[test]
    fn a_plain_process_may_be_called_by_any_of_its_names() {
        assert!(is_accepted("http://127.0.0.1:8080", "localhost:8080", "http://localhost:8080"));
        for origin in ["https://localhost:8080", "http://localhost:8081", "http://evil.example", "null"] {
            assert!(!is_accepted("http://127.0.0.1:8080", "localhost:8080", origin), "{origin}");
        }
    }
}
