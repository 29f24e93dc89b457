//! An OpenID provider that lies on demand. By default it is honest and strict: it checks client, PKCE and redirect
//! address, and a code is good once.
//!
//! One more lie: a variant of [`Forgery`] and what it does in `tokens.rs`; one more misbehaving endpoint: a variant of
//! [`TokenEndpoint`] and what it does in `endpoints.rs`.

mod endpoints;
mod keys;
mod tokens;

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Map, Value, json};

use self::keys::SigningKey;
use crate::web_server::WebServer;

/// The one client that is registered.
pub const CLIENT_ID: &str = "maas";
pub const CLIENT_SECRET: &str = "a client secret that nobody may see";

/// What is wrong with id tokens from now on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Forgery {
    #[default]
    Honest,
    Missing,
    Malformed,
    Unsigned,
    /// HS256, with the public key as PEM for the secret.
    MacWithPublicKey,
    /// HS256, with the client's secret.
    MacWithClientSecret,
    /// A key that the key set does not have, under an id that it does not have either.
    UnknownKey,
    /// A key that the key set does not have, under the id of one that it has.
    StolenKeyId,
    WrongNonce,
    NoNonce,
    OtherAudience,
    MoreAudiences,
    OtherParty,
    OtherIssuer,
    Expired,
    IssuedInTheFuture,
    NotYetValid,
    WrongAccessTokenHash,
    EmptySubject,
}

/// How the token endpoint answers from now on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TokenEndpoint {
    #[default]
    Honest,
    Garbage,
    /// Without an end.
    Huge,
    /// Nothing, for longer than anybody waits.
    Silent,
    Redirecting,
    Failing,
}

/// Stops when dropped.
pub struct FakeIssuer {
    server: WebServer,
    state: Shared,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<State>>);

struct State {
    url: String,
    /// Unix seconds; its clock does not run.
    now: i64,
    key: SigningKey,
    forgery: Forgery,
    token_endpoint: TokenEndpoint,
    is_down: bool,
    /// Claims of who signs in next; `sub` is one of them.
    person: Map<String, Value>,
    /// Which of the claims are told at the userinfo endpoint instead of in the id token.
    at_userinfo: Vec<String>,
    userinfo_subject: Option<String>,
    codes: HashMap<String, Authorization>,
    access_tokens: HashMap<String, Map<String, Value>>,
    made: u64,
    key_set_reads: u64,
    /// Every secret that it has given out or was sent.
    secrets: Vec<String>,
}

/// What a code stands for.
struct Authorization {
    redirect_uri: String,
    challenge: String,
    nonce: String,
    person: Map<String, Value>,
}

impl FakeIssuer {
    /// With a clock that stands at `now`, in unix seconds.
    pub fn start(now: i64) -> io::Result<Self> {
        let mut shared = None;
        let server = WebServer::start(|url| {
            let state = Shared(Arc::new(Mutex::new(State::new(url.to_owned(), now))));
            shared = Some(state.clone());
            endpoints::configure(state)
        })?;
        let state = shared.ok_or_else(|| io::Error::other("the issuer was not configured"))?;
        Ok(Self { server, state })
    }

    /// The issuer, without a slash at its end.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Who signs in from now on: claims, `sub` among them.
    pub fn signs_in(&self, claims: Value) {
        self.state.lock().person = claims.as_object().cloned().unwrap_or_default();
    }

    /// Tells these claims at the userinfo endpoint only, there under another subject if one is given.
    pub fn tell_at_userinfo(&self, claims: &[&str], subject: Option<&str>) {
        let mut state = self.state.lock();
        state.at_userinfo = claims.iter().map(|name| (*name).to_owned()).collect();
        state.userinfo_subject = subject.map(str::to_owned);
    }

    pub fn forge(&self, forgery: Forgery) {
        self.state.lock().forgery = forgery;
    }

    pub fn answer_tokens(&self, endpoint: TokenEndpoint) {
        self.state.lock().token_endpoint = endpoint;
    }

    /// Whether every endpoint answers 503.
    pub fn set_down(&self, is_down: bool) {
        self.state.lock().is_down = is_down;
    }

    /// Signs with a new key from now on; the key set has only that one.
    pub fn rotate_key(&self) {
        self.state.lock().key = SigningKey::generate();
    }

    pub fn key_set_reads(&self) -> u64 {
        self.state.lock().key_set_reads
    }

    /// Codes, tokens and PKCE verifiers so far, and the client's secret.
    pub fn secrets(&self) -> Vec<String> {
        self.state.lock().secrets.clone()
    }

    /// An access token in the form of RFC 9068 for whoever signs in, with these claims instead of or besides the usual.
    pub fn access_token(&self, claims: Value) -> String {
        self.state.lock().jwt_access_token(claims)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new(url: String, now: i64) -> Self {
        let person =
            json!({"sub": "4711", "preferred_username": "ada", "name": "Ada Lovelace", "groups": ["developers"]});
        Self {
            url,
            now,
            key: SigningKey::generate(),
            forgery: Forgery::Honest,
            token_endpoint: TokenEndpoint::Honest,
            is_down: false,
            person: person.as_object().cloned().unwrap_or_default(),
            at_userinfo: Vec::new(),
            userinfo_subject: None,
            codes: HashMap::new(),
            access_tokens: HashMap::new(),
            made: 0,
            key_set_reads: 0,
            secrets: vec![CLIENT_SECRET.to_owned()],
        }
    }

    /// A text that nobody else has, remembered as a secret.
    fn new_secret(&mut self, kind: &str) -> String {
        self.made += 1;
        let secret = format!("{kind}-canary-{}-{}", uuid::Uuid::new_v4().simple(), self.made);
        self.secrets.push(secret.clone());
        secret
    }
}
