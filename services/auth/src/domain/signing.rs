//! Access tokens: JWTs signed with Ed25519, the keys behind them, and the key set that others verify with.
//!
//! A change of keys: the new key becomes the signing key and the old one the previous key, until the longest token has
//! expired. Both are in the key set and both verify; only the signing key signs.

use std::time::Duration;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ed25519_dalek::{
    SigningKey,
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, spki::der::pem::LineEnding},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use maas_types::{Role, Timestamp, TokenId, UserId};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    random::{self, RandomUnavailable},
    user::User,
};

/// The audience of tokens that open the control plane.
pub const AUDIENCE_CONTROL: &str = "control";

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

/// What a token says. `role` and `name` are for whoever reads it; this service takes both from the user's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: UserId,
    pub iat: i64,
    pub exp: i64,
    pub jti: TokenId,
    pub role: Role,
    pub name: String,
}

/// A signed token with what its owner is told about it.
#[derive(Debug)]
pub struct IssuedToken {
    pub token: SecretString,
    pub claims: Claims,
}

/// One entry of the key set (RFC 8037).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub key_id: String,
    /// The 32 bytes as base64url.
    pub x: String,
}

struct KeyPair {
    public: PublicKey,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl KeyPair {
    fn parse(text: &str) -> Result<Self, SigningKeyError> {
        let key = parse_private_key(text).ok_or(SigningKeyError::Malformed)?;
        let public_bytes = key.verifying_key().to_bytes();
        let x = URL_SAFE_NO_PAD.encode(public_bytes);
        let private_der = key.to_pkcs8_der().map_err(|_| SigningKeyError::Encoding)?;
        Ok(Self {
            public: PublicKey { key_id: thumbprint(&x), x },
            encoding: EncodingKey::from_ed_der(private_der.as_bytes()),
            decoding: DecodingKey::from_ed_der(&public_bytes),
        })
    }
}

/// Whether `text` holds a private key that [`TokenSigner::new`] takes.
pub fn is_private_key(text: &str) -> bool {
    parse_private_key(text).is_some()
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

/// Signs and verifies the tokens of one issuer.
pub struct TokenSigner {
    issuer: String,
    current: KeyPair,
    previous: Option<KeyPair>,
    validation: Validation,
}

impl TokenSigner {
    /// Keys as PKCS#8 PEM or base64 seed. The issuer is the public origin.
    pub fn new(issuer: String, current: &str, previous: Option<&str>) -> Result<Self, SigningKeyError> {
        // The algorithm is fixed: what the token's header says can only be refused, never chosen.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&issuer]);
        validation.set_audience(&[AUDIENCE_CONTROL]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Checked in `verify`, with the injected clock.
        validation.validate_exp = false;
        let (current, previous) = (KeyPair::parse(current)?, previous.map(KeyPair::parse).transpose()?);
        Ok(Self { issuer, current, previous, validation })
    }

    pub fn issue_control(&self, user: &User, lifetime: Duration, now: Timestamp) -> Result<IssuedToken, SigningError> {
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCE_CONTROL.to_owned(),
            sub: user.id,
            iat: now.unix_seconds(),
            exp: now.plus(lifetime).unix_seconds(),
            jti: TokenId::new_at(now),
            role: user.role,
            name: user.user_name.clone(),
        };
        let header = Header { kid: Some(self.current.public.key_id.clone()), ..Header::new(Algorithm::EdDSA) };
        let token = jsonwebtoken::encode(&header, &claims, &self.current.encoding)?;
        Ok(IssuedToken { token: token.into(), claims })
    }

    /// The claims of a token of ours that has not expired. Whether its user still accepts it is another question.
    pub fn verify(&self, unverified_token: &str, now: Timestamp) -> Option<Claims> {
        let key_id = jsonwebtoken::decode_header(unverified_token).ok()?.kid?;
        let key = self.keys().find(|key| key.public.key_id == key_id)?;
        let claims = jsonwebtoken::decode::<Claims>(unverified_token, &key.decoding, &self.validation).ok()?.claims;
        (now.unix_seconds() < claims.exp).then_some(claims)
    }

    /// Every key that tokens in use may be signed with.
    pub fn public_keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys().map(|key| &key.public)
    }

    fn keys(&self) -> impl Iterator<Item = &KeyPair> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_763_000_000_123);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn signer(issuer: &str, current: &str, previous: Option<&str>) -> TokenSigner {
        TokenSigner::new(issuer.to_owned(), current, previous).unwrap()
    }

    fn token_of(signer: &TokenSigner) -> String {
        let user = User::new_local("ada".to_owned(), None, Role::Admin, NOW);
        signer.issue_control(&user, HOUR, NOW).unwrap().token.expose_secret().to_owned()
    }

    #[test]
    fn a_token_is_good_until_it_expires() {
        let signer = signer("https://maas.example", &generate_signing_key().unwrap(), None);
        let token = token_of(&signer);
        assert_eq!(signer.verify(&token, NOW).unwrap().name, "ada");
        assert!(signer.verify(&token, NOW.plus(HOUR - Duration::from_secs(1))).is_some());
        assert!(signer.verify(&token, NOW.plus(HOUR)).is_none());
    }

    #[test]
    fn tokens_of_the_previous_key_stay_good() {
        let (old, new) = (generate_signing_key().unwrap(), generate_signing_key().unwrap());
        let token = token_of(&signer("maas", &old, None));
        let rotated = signer("maas", &new, Some(&old));
        assert!(rotated.verify(&token, NOW).is_some());
        assert_eq!(rotated.public_keys().count(), 2);
        assert!(signer("maas", &new, None).verify(&token, NOW).is_none());
    }

    #[test]
    fn foreign_and_forged_tokens_are_refused() {
        let key = generate_signing_key().unwrap();
        let ours = signer("https://maas.example", &key, None);
        assert!(ours.verify(&token_of(&signer("https://other.example", &key, None)), NOW).is_none());

        let token = token_of(&ours);
        let (head, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = head.split_once('.').unwrap();
        for forged in [
            format!("{head}."),
            format!("{header}.e30.{signature}"),
            format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), head.split_once('.').unwrap().1),
            "a.b.c".to_owned(),
            String::new(),
        ] {
            assert!(ours.verify(&forged, NOW).is_none(), "{forged}");
        }
    }

    #[test]
    fn another_algorithm_or_audience_is_refused() {
        let key = generate_signing_key().unwrap();
        let ours = signer("maas", &key, None);
        let claims = ours.verify(&token_of(&ours), NOW).unwrap();
        let kid = Some(ours.current.public.key_id.clone());

        // The public key as an HMAC secret: the classic confusion of algorithms.
        let secret = EncodingKey::from_secret(&URL_SAFE_NO_PAD.decode(&ours.current.public.x).unwrap());
        let header = Header { kid: kid.clone(), ..Header::new(Algorithm::HS256) };
        assert!(ours.verify(&jsonwebtoken::encode(&header, &claims, &secret).unwrap(), NOW).is_none());

        let inference = Claims { aud: "inference".to_owned(), ..claims };
        let header = Header { kid, ..Header::new(Algorithm::EdDSA) };
        let token = jsonwebtoken::encode(&header, &inference, &ours.current.encoding).unwrap();
        assert!(ours.verify(&token, NOW).is_none());
    }

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
}
