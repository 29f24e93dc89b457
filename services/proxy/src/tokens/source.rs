//! Where the public keys of access tokens come from: auth's internal listener, or auth itself in the same process.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use maas_http::{AddressGuard, ClientError, ControlOptions, control_client};
use maas_tokens::TokenKeys;

use crate::settings::StateSources;

/// Who waits for the answer is a client with a token that nobody knows yet.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// A handful of keys; more is no answer of auth's.
const LARGEST_ANSWER: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
#[error("the keys of access tokens cannot be had")]
pub struct TokenKeysUnavailable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Gives the keys as they are now.
pub type TokenKeySource = Arc<dyn Fn() -> BoxFuture<'static, Result<TokenKeys, TokenKeysUnavailable>> + Send + Sync>;

/// Asks auth over internal HTTP; `None` if its address is not configured.
pub fn from_auth(sources: &StateSources) -> Result<Option<TokenKeySource>, ClientError> {
    let base = sources.auth_url.trim_end_matches('/');
    if base.is_empty() {
        return Ok(None);
    }
    let guard = AddressGuard::with_loopback();
    let client = control_client(&ControlOptions { guard, timeout: ANSWER_WITHIN, ..ControlOptions::default() })?;
    let url = format!("{base}/internal/v1/token-keys");
    let token = sources.internal_token.clone();
    Ok(Some(Arc::new(move || {
        let request = client.get(&url).bearer_auth(token.expose());
        Box::pin(async move { read(request).await.map_err(TokenKeysUnavailable) })
    })))
}

async fn read(request: reqwest::RequestBuilder) -> Result<TokenKeys, Box<dyn std::error::Error + Send + Sync>> {
    let mut response = request.send().await?.error_for_status()?;
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await? {
        body.extend_from_slice(&part);
        if body.len() > LARGEST_ANSWER {
            return Err("the answer is too long".into());
        }
    }
    Ok(serde_json::from_slice(&body)?)
}
