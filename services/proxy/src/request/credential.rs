//! Who is calling: the key of a request, checked without I/O if it is known here.

use std::sync::Arc;

use actix_web::HttpRequest;
use maas_keys::ParsedKey;
use maas_llm::error::ApiErrorCode;
use uuid::Uuid;

use crate::{
    metrics::AuthReason,
    refusal::Refusal,
    state::{KeyGrant, KeyStanding, UserEntry},
    worker::Shared,
};

/// A key that works right now, and its owner.
pub struct Caller {
    pub key: Arc<KeyGrant>,
    pub user: Arc<UserEntry>,
}

impl Caller {
    /// Whose requests may share what an upstream has cached: a team's, else a person's.
    pub fn tenant(&self) -> Uuid {
        self.key.team.map_or_else(|| self.user.id.uuid(), |team| team.uuid())
    }
}

/// The headers that may carry the key; the first one present decides.
const HEADERS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];

/// The caller, or the refusal. Strangers learn nothing: what is wrong with a key is told only to who holds its secret.
pub async fn check(shared: &Shared, head: &HttpRequest) -> Result<Caller, Refusal> {
    let decided = decide(shared, head).await;
    match &decided {
        Ok(_) => {
            shared.metrics.auth_ok.inc();
        }
        Err((reason, _)) => shared.metrics.auth_refused(*reason),
    }
    decided.map_err(|(_, refusal)| refusal)
}

async fn decide(shared: &Shared, head: &HttpRequest) -> Result<Caller, (AuthReason, Refusal)> {
    let refuse = |reason, code: ApiErrorCode| (reason, Refusal::from(code));
    let presented = presented(head).ok_or_else(|| refuse(AuthReason::Missing, ApiErrorCode::InvalidApiKey))?;
    let malformed = |_| refuse(AuthReason::Malformed, ApiErrorCode::InvalidApiKey);
    let parsed = ParsedKey::parse(presented).map_err(malformed)?;
    let unconfirmed = || refuse(AuthReason::Unconfirmed, ApiErrorCode::KeyStateUnavailable);

    let key = match shared.state.keys.get(&parsed.public_id()) {
        Some(key) => {
            shared.metrics.cache_hit.inc();
            key
        }
        None => {
            shared.metrics.cache_miss.inc();
            let found = shared.lookups.find(parsed.public_id()).await.map_err(|_| unconfirmed())?;
            found.ok_or_else(|| refuse(AuthReason::Unknown, ApiErrorCode::InvalidApiKey))?
        }
    };
    if !shared.peppers.verify(&parsed, &key.mac, key.pepper_version) {
        return Err(refuse(AuthReason::Unknown, ApiErrorCode::InvalidApiKey));
    }
    match key.standing(shared.clock.now()) {
        KeyStanding::Active => {}
        KeyStanding::Revoked => return Err(refuse(AuthReason::Revoked, ApiErrorCode::RevokedApiKey)),
        KeyStanding::Expired => return Err(refuse(AuthReason::Expired, ApiErrorCode::ExpiredApiKey)),
        KeyStanding::Blocked => return Err(refuse(AuthReason::Blocked, ApiErrorCode::KeyBlocked)),
    }
    // The key is known but its owner's state has not arrived: not the caller's fault.
    let user = shared.state.users.get(&key.owner).ok_or_else(unconfirmed)?;
    if !user.may_call() {
        return Err(refuse(AuthReason::Blocked, ApiErrorCode::KeyBlocked));
    }
    Ok(Caller { key, user })
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
