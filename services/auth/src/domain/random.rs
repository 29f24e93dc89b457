//! Secrets from the operating system's random source.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;

/// The operating system gave no random bytes. Nothing secret may be made without them.
#[derive(Debug, thiserror::Error)]
#[error("the random source of the operating system failed: {0}")]
pub struct RandomUnavailable(getrandom::Error);

pub fn bytes<const N: usize>() -> Result<[u8; N], RandomUnavailable> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(RandomUnavailable)?;
    Ok(bytes)
}

/// 256 random bits as base64url text.
pub fn secret() -> Result<SecretString, RandomUnavailable> {
    Ok(URL_SAFE_NO_PAD.encode(bytes::<32>()?).into())
}
