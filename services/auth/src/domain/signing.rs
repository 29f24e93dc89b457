//! The private keys that access tokens are signed with, and what a token of ours says.

use std::time::Duration;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ed25519_dalek::{
    SigningKey,
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, spki::der::pem::LineEnding},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use maas_tokens::{Audience, Claims, PublicKey};
use maas_types::{Role, Timestamp, TokenId};
use secrecy::SecretString;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{
    random::{self, RandomUnavailable},
    user::User,
};

#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    #[error("expected an Ed25519 private key: PKCS#8 PEM, or its 32-byte seed in base64")]
    Malformed,
    #[error("the signing key cannot be written as PKCS#8")]
    Encoding,
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
}

#[derive(Debug, thiserror::Error)]
#[error("the token cannot be signed")]
pub struct SigningError(#[from] jsonwebtoken::errors::Error);

/// A new private key as PKCS#8 PEM.
pub fn generate_signing_key() -> Result<String, SigningKeyError> {
    let key = SigningKey::from_bytes(&random::bytes()?);
    let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|_| SigningKeyError::Encoding)?;
    Ok(pem.to_string())
}

/// Whether `text` holds a private key that [`SigningPair::parse`] takes.
pub fn is_private_key(text: &str) -> bool {
    parse_private_key(text).is_some()
}

/// What is said besides the claims, for whoever reads the token; no service of ours takes rights from it.
#[derive(Serialize)]
struct Said<'a> {
    #[serde(flatten)]
    claims: &'a Claims,
    role: Role,
    name: &'a str,
}

/// A signed token with what its owner is told about it.
#[derive(Debug)]
pub struct IssuedToken {
    pub token: SecretString,
    pub claims: Claims,
}

/// A private key with its public half.
pub struct SigningPair {
    pub public: PublicKey,
    seed: Zeroizing<[u8; 32]>,
    encoding: EncodingKey,
}

impl SigningPair {
    /// PKCS#8 PEM, or the seed in base64.
    pub fn parse(text: &str) -> Result<Self, SigningKeyError> {
        Self::of(&parse_private_key(text).ok_or(SigningKeyError::Malformed)?)
    }

    pub fn generate() -> Result<Self, SigningKeyError> {
        Self::from_seed(&random::bytes()?)
    }

    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, SigningKeyError> {
        Self::of(&SigningKey::from_bytes(seed))
    }

    /// For sealing, and for what is derived from it.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    fn of(key: &SigningKey) -> Result<Self, SigningKeyError> {
        let x = URL_SAFE_NO_PAD.encode(key.verifying_key().to_bytes());
        let private_der = key.to_pkcs8_der().map_err(|_| SigningKeyError::Encoding)?;
        Ok(Self {
            public: PublicKey { key_id: thumbprint(&x), x },
            seed: Zeroizing::new(key.to_bytes()),
            encoding: EncodingKey::from_ed_der(private_der.as_bytes()),
        })
    }

    pub fn issue(
        &self,
        issuer: &str,
        user: &User,
        (audience, lifetime): (Audience, Duration),
        now: Timestamp,
    ) -> Result<IssuedToken, SigningError> {
        let claims = Claims {
            iss: issuer.to_owned(),
            aud: audience,
            sub: user.id,
            iat: now.unix_seconds(),
            exp: now.plus(lifetime).unix_seconds(),
            jti: TokenId::new_at(now),
        };
        let header = Header { kid: Some(self.public.key_id.clone()), ..Header::new(Algorithm::EdDSA) };
        let said = Said { claims: &claims, role: user.role, name: &user.user_name };
        let token = jsonwebtoken::encode(&header, &said, &self.encoding)?;
        Ok(IssuedToken { token: token.into(), claims })
    }
}

fn parse_private_key(text: &str) -> Option<SigningKey> {
    let text = text.trim();
    if text.starts_with("-----BEGIN") {
        return SigningKey::from_pkcs8_pem(text).ok();
    }
    let seed = STANDARD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()?;
    Some(SigningKey::from_bytes(&seed.try_into().ok()?))
}

/// RFC 7638: the digest of the required members in alphabetical order.
fn thumbprint(x: &str) -> String {
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_as_pem_or_seed() {
        assert!(is_private_key(&generate_signing_key().unwrap()));
        assert!(is_private_key(&STANDARD.encode([7; 32])));
        for wrong in
            ["", "secret", "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----", &STANDARD.encode([7; 31])]
        {
            assert!(!is_private_key(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_pair_is_the_same_from_its_seed() {
        let pair = SigningPair::generate().unwrap();
        assert_eq!(SigningPair::from_seed(pair.seed()).unwrap().public, pair.public);
        assert_eq!(SigningPair::parse(&STANDARD.encode(pair.seed())).unwrap().public, pair.public);
    }
}
