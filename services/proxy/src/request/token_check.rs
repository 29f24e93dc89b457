//! Whether an access token may be used: verified here with auth's public keys, then held against its owner's state.

use maas_llm::error::ApiErrorCode;

use super::credential::{Caller, Denied, denied};
use crate::{metrics::AuthReason, refusal::Refusal, tokens::TokenFault, worker::Shared};

/// `presented` has the form of a token. A verification may be remembered; whether its owner still accepts the token is
/// judged for each request.
pub async fn check(shared: &Shared, presented: &[u8]) -> Result<Caller, Denied> {
    let token = shared.tokens.verify(presented, shared.clock.now()).await.map_err(refused)?;
    // It was issued a moment ago to somebody whose state has not arrived.
    let unconfirmed = || denied(AuthReason::Unconfirmed, ApiErrorCode::KeyStateUnavailable);
    let user = shared.state.users.get(&token.user).ok_or_else(unconfirmed)?;
    if !user.may_call() {
        let message = "The owner of this access token is disabled: ask an administrator.";
        return Err((AuthReason::Blocked, Refusal::with_message(ApiErrorCode::KeyBlocked, message)));
    }
    if !user.accepts_token(token.id, token.issued_at) {
        let message = "This access token was revoked: create a new one.";
        return Err((AuthReason::Revoked, Refusal::with_message(ApiErrorCode::RevokedApiKey, message)));
    }
    Ok(Caller { key: None, token: Some(token), user })
}

fn refused(fault: TokenFault) -> Denied {
    match fault {
        TokenFault::Invalid => denied(AuthReason::Unknown, ApiErrorCode::InvalidApiKey),
        TokenFault::Expired => {
            let message = "This access token has expired: create a new one.";
            (AuthReason::Expired, Refusal::with_message(ApiErrorCode::ExpiredApiKey, message))
        }
        TokenFault::Unconfirmed => denied(AuthReason::Unconfirmed, ApiErrorCode::KeyStateUnavailable),
    }
}
