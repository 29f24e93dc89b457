//! Whether an API key may be used: that it is one, that it works, and that it is used as its owner meant it.

use std::{net::IpAddr, sync::Arc};

use actix_web::HttpRequest;
use maas_keys::ParsedKey;
use maas_llm::error::ApiErrorCode;
use maas_types::{Operation, Timestamp};
use maas_web::client_address::client_address;

use super::credential::{Caller, Denied, denied};
use crate::{
    metrics::AuthReason,
    refusal::Refusal,
    state::{KeyGrant, KeyStanding, UserEntry},
    worker::Shared,
};

/// The order matters: nothing of a key is told before its secret is proven.
pub async fn check(
    shared: &Shared,
    head: &HttpRequest,
    presented: &[u8],
    operation: Option<Operation>,
) -> Result<Caller, Denied> {
    let malformed = |_| denied(AuthReason::Malformed, ApiErrorCode::InvalidApiKey);
    let parsed = ParsedKey::parse(presented).map_err(malformed)?;
    let key = find(shared, &parsed).await?;
    let now = shared.clock.now();
    if !proves(shared, &parsed, &key, now) {
        return Err(denied(AuthReason::Unknown, ApiErrorCode::InvalidApiKey));
    }
    check_standing(&key, now)?;
    let user = owner(shared, &key)?;
    let address = client_address(head.peer_addr(), head.headers(), &shared.settings.trusted_proxies);
    check_use(&key, address, operation)?;
    shared.key_uses.note(&key, address, now);
    Ok(Caller { key: Some(key), token: None, user })
}

async fn find(shared: &Shared, parsed: &ParsedKey<'_>) -> Result<Arc<KeyGrant>, Denied> {
    if let Some(key) = shared.state.keys.get(&parsed.public_id()) {
        shared.metrics.cache_hit.inc();
        return Ok(key);
    }
    shared.metrics.cache_miss.inc();
    let unconfirmed = |_| denied(AuthReason::Unconfirmed, ApiErrorCode::KeyStateUnavailable);
    let found = shared.lookups.find(parsed.public_id()).await.map_err(unconfirmed)?;
    found.ok_or_else(|| denied(AuthReason::Unknown, ApiErrorCode::InvalidApiKey))
}

/// By the secret, or by the one before it while a rotation overlaps.
fn proves(shared: &Shared, parsed: &ParsedKey<'_>, key: &KeyGrant, now: Timestamp) -> bool {
    shared.peppers.verify(parsed, &key.mac, key.pepper_version)
        || key.previous_mac(now).is_some_and(|(mac, version)| shared.peppers.verify(parsed, mac, version))
}

fn check_standing(key: &KeyGrant, now: Timestamp) -> Result<(), Denied> {
    match key.standing(now) {
        KeyStanding::Active => Ok(()),
        KeyStanding::Revoked => Err(denied(AuthReason::Revoked, ApiErrorCode::RevokedApiKey)),
        KeyStanding::Expired => Err(denied(AuthReason::Expired, ApiErrorCode::ExpiredApiKey)),
        KeyStanding::Blocked => Err(denied(AuthReason::Blocked, ApiErrorCode::KeyBlocked)),
    }
}

/// The owner, while they may call and, for a team's key, may use the team.
fn owner(shared: &Shared, key: &KeyGrant) -> Result<Arc<UserEntry>, Denied> {
    // The key is known but its owner's state has not arrived: not the caller's fault.
    let unconfirmed = || denied(AuthReason::Unconfirmed, ApiErrorCode::KeyStateUnavailable);
    let user = shared.state.users.get(&key.owner).ok_or_else(unconfirmed)?;
    if !user.may_call() {
        return Err(blocked("The owner of this API key is disabled: ask an administrator."));
    }
    if key.team.is_some_and(|team| !user.may_use(team)) {
        return Err(blocked(
            "This API key belongs to a team that its owner is no longer a member of: ask an owner of the team.",
        ));
    }
    Ok(user)
}

fn blocked(message: &str) -> Denied {
    (AuthReason::Blocked, Refusal::with_message(ApiErrorCode::KeyBlocked, message))
}

/// Where and for what the key is used. Who has no address cannot be in a permitted network.
fn check_use(key: &KeyGrant, address: Option<IpAddr>, operation: Option<Operation>) -> Result<(), Denied> {
    let is_permitted_address = match address {
        Some(address) => key.allows_from(address),
        None => key.is_unbound(),
    };
    if !is_permitted_address {
        return Err(denied(AuthReason::AddressNotAllowed, ApiErrorCode::AddressNotAllowed));
    }
    match operation.filter(|operation| !key.allows_operation(*operation)) {
        Some(operation) => {
            let message = format!("This API key may not be used for `{}`.", operation.as_str());
            let refusal = Refusal::with_message(ApiErrorCode::OperationNotAllowed, message);
            Err((AuthReason::OperationNotAllowed, refusal))
        }
        None => Ok(()),
    }
}
