//! Access tokens, verified here: the public keys of auth, kept up to date, and the verifications that were made.
//!
//! What is known stays known while auth is away. A token that was verified once is found again by the digest of its
//! whole text, so that a changed byte is another token. Revocation is not decided here: it is in the person's state.

mod source;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use maas_runtime::process::Process;
use maas_tokens::{Audience, Claims, KeySet, TokenKeys, TokenRefused};
use maas_types::{Timestamp, TokenId, UserId};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

pub use source::{TokenKeySource, TokenKeysUnavailable, from_auth};

/// How old the keys get while nothing is amiss.
const POLL_EVERY: Duration = Duration::from_secs(60);
/// Between two tries while no keys are known at all.
const FIRST_POLL_EVERY: Duration = Duration::from_secs(2);
/// A token that names an unknown key makes auth be asked at most this often, whoever invents how many names.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);
const MOST_VERIFIED: u64 = 50_000;
const REMEMBER_VERIFIED: Duration = Duration::from_secs(3_600);

/// A token of ours for the data plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedToken {
    pub id: TokenId,
    pub user: UserId,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

impl VerifiedToken {
    fn of(claims: &Claims) -> Self {
        let (issued_at, expires_at) = (claims.issued_at(), claims.expires_at());
        Self { id: claims.jti, user: claims.sub, issued_at, expires_at }
    }
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFault {
    Invalid,
    Expired,
    /// Nobody can say: the keys could not be asked for.
    Unconfirmed,
}

pub struct AccessTokens {
    /// `None`: this proxy takes no tokens.
    source: Option<TokenKeySource>,
    keys: ArcSwapOption<KeySet>,
    verified: moka::sync::Cache<[u8; 32], Arc<VerifiedToken>>,
    asked: Mutex<Asked>,
}

/// The last question that an unknown key has caused.
#[derive(Default)]
struct Asked {
    at: Option<Instant>,
    was_answered: bool,
}

impl AccessTokens {
    pub fn new(source: Option<TokenKeySource>) -> Self {
        let verified = moka::sync::Cache::builder().max_capacity(MOST_VERIFIED).time_to_live(REMEMBER_VERIFIED);
        Self { source, keys: ArcSwapOption::empty(), verified: verified.build(), asked: Mutex::default() }
    }

    /// Keeps the keys up to date until the soft stop.
    pub fn spawn(self: &Arc<Self>, process: &Process) {
        if self.source.is_none() {
            tracing::info!("access tokens are not accepted: proxy.state_sources.auth_url is not set");
            return;
        }
        let (tokens, stopping) = (self.clone(), process.lifecycle.soft_stop().clone());
        process.lifecycle.spawn("proxy token keys", async move {
            loop {
                // A failure is logged where it happens; the keys that are known go on.
                let _ = tokens.refresh().await;
                let pause = if tokens.keys.load().is_some() { POLL_EVERY } else { FIRST_POLL_EVERY };
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stopping.cancelled() => return Ok(()),
                }
            }
        });
    }

    /// The token, if it is one of ours for the data plane and good at `now`. Asks auth only for a key that is unknown.
    pub async fn verify(&self, presented: &[u8], now: Timestamp) -> Result<Arc<VerifiedToken>, TokenFault> {
        let digest: [u8; 32] = Sha256::digest(presented).into();
        if let Some(known) = self.verified.get(&digest) {
            return if now < known.expires_at { Ok(known) } else { Err(TokenFault::Expired) };
        }
        let unverified = std::str::from_utf8(presented).map_err(|_| TokenFault::Invalid)?;
        let claims = match self.verify_with_known_keys(unverified, now) {
            Err(TokenRefused::UnknownKey) => {
                self.ask_for_unknown_key().await?;
                self.verify_with_known_keys(unverified, now)
            }
            decided => decided,
        };
        let claims = claims.map_err(|refused| match refused {
            TokenRefused::Expired => TokenFault::Expired,
            TokenRefused::Invalid | TokenRefused::UnknownKey => TokenFault::Invalid,
        })?;
        let verified = Arc::new(VerifiedToken::of(&claims));
        self.verified.insert(digest, verified.clone());
        Ok(verified)
    }

    fn verify_with_known_keys(&self, unverified: &str, now: Timestamp) -> Result<Claims, TokenRefused> {
        let keys = self.keys.load();
        keys.as_ref().map_or(Err(TokenRefused::UnknownKey), |keys| keys.verify(unverified, &[Audience::Inference], now))
    }

    /// Ok when the keys are as new as they need to be; those who come meanwhile wait for the one question.
    async fn ask_for_unknown_key(&self) -> Result<(), TokenFault> {
        if self.source.is_none() {
            return Err(TokenFault::Invalid);
        }
        let mut asked = self.asked.lock().await;
        if asked.at.is_none_or(|at| at.elapsed() >= ASK_AGAIN_AFTER) {
            asked.was_answered = self.refresh().await.is_ok();
            asked.at = Some(Instant::now());
        }
        if asked.was_answered { Ok(()) } else { Err(TokenFault::Unconfirmed) }
    }

    async fn refresh(&self) -> Result<(), TokenKeysUnavailable> {
        let Some(source) = &self.source else { return Ok(()) };
        let taken_over = source().await.and_then(|keys| self.take_over(keys));
        taken_over.inspect_err(|error| {
            let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            tracing::warn!(error = %error, cause, "the keys of access tokens stay as they are");
        })
    }

    fn take_over(&self, known: TokenKeys) -> Result<(), TokenKeysUnavailable> {
        let next = Arc::new(KeySet::new(known).map_err(|error| TokenKeysUnavailable(Box::new(error)))?);
        let before = self.keys.swap(Some(next.clone()));
        // What a key that is gone has signed is to be refused, also where it was accepted before.
        let is_gone = |before: &KeySet| before.public_keys().any(|key| !next.knows(&key.key_id));
        if before.is_some_and(|before| is_gone(&before)) {
            self.verified.invalidate_all();
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
