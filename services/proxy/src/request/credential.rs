//! Who is calling: an API key or an access token, checked without I/O if it is known here.

use std::sync::Arc;

use actix_web::HttpRequest;
use maas_llm::error::ApiErrorCode;
use maas_tokens::looks_like_token;
use maas_types::{Operation, TeamId};
use uuid::Uuid;

use super::{key_check, token_check};
use crate::{
    metrics::AuthReason,
    refusal::Refusal,
    revocation::cutting::CallerIdentity,
    state::{KeyGrant, TeamEntry, UserEntry},
    tokens::VerifiedToken,
    worker::Shared,
};

/// Somebody who may call right now, and with what: either a key or a token.
pub struct Caller {
    pub key: Option<Arc<KeyGrant>>,
    pub token: Option<Arc<VerifiedToken>>,
    /// The owner of the key, or whom the token was issued to.
    pub user: Arc<UserEntry>,
}

impl Caller {
    /// Whose requests may share what an upstream has cached: a team's, else a person's.
    pub fn tenant(&self) -> Uuid {
        self.team().map_or_else(|| self.user.id.uuid(), TeamId::uuid)
    }

    /// The key's team; a token has none.
    pub fn team(&self) -> Option<TeamId> {
        self.key.as_ref()?.team
    }

    /// Whether the key's own list lets this model through; a token has no list.
    pub fn lists(&self, model: &str) -> bool {
        self.key.as_ref().is_none_or(|key| key.lists(model))
    }

    /// By what a call of theirs is found when something is taken away from them.
    pub fn identity(&self) -> CallerIdentity {
        let key = self.key.as_ref().map(|key| key.public_id);
        CallerIdentity { key, token: self.token.clone(), user: self.user.id }
    }

    /// What is known of the team that requests are booked to.
    pub fn booked_team(&self, shared: &Shared) -> Option<Arc<TeamEntry>> {
        shared.state.teams.get(&self.team().or(self.user.default_team)?)
    }
}

/// Why there is no caller: for the metric, and for the client.
pub(super) type Denied = (AuthReason, Refusal);

pub(super) fn denied(reason: AuthReason, code: ApiErrorCode) -> Denied {
    (reason, code.into())
}

/// The headers that may carry the key; the first one present decides.
const HEADERS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];

/// The caller, or the refusal. Strangers learn nothing: what is wrong with a key is told only to who holds its secret.
/// `operation` is what it is wanted for; `None` for what every key may do, such as listing models.
pub async fn check(shared: &Shared, head: &HttpRequest, operation: Option<Operation>) -> Result<Caller, Refusal> {
    let mut decided = decide(shared, head, operation).await;
    // Only who holds a secret learns that.
    if decided.is_ok() && !shared.gate.is_open(shared.clock.steady_ms()) {
        decided = Err(denied(AuthReason::Unconfirmed, ApiErrorCode::KeyStateUnavailable));
    }
    match &decided {
        Ok(_) => {
            shared.metrics.auth_ok.inc();
        }
        Err((reason, _)) => shared.metrics.auth_refused(*reason),
    }
    decided.map_err(|(_, refusal)| refusal)
}

async fn decide(shared: &Shared, head: &HttpRequest, operation: Option<Operation>) -> Result<Caller, Denied> {
    let presented = presented(head).ok_or_else(|| denied(AuthReason::Missing, ApiErrorCode::InvalidApiKey))?;
    if looks_like_token(presented) {
        return token_check::check(shared, presented).await;
    }
    key_check::check(shared, head, presented, operation).await
}

/// The bytes of the key, from the first header that is there.
fn presented(head: &HttpRequest) -> Option<&[u8]> {
    let (name, value) = HEADERS.iter().find_map(|name| Some((*name, head.headers().get(*name)?)))?;
    let value = value.as_bytes();
    if name != "authorization" {
        return Some(value.trim_ascii());
    }
    let (scheme, key) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
}
