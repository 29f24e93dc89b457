//! The public keys of the issuer, and the verification with them.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use maas_types::Timestamp;

use super::{Audience, Claims, MAX_TOKEN_BYTES, PublicKey, TokenKeys};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the public key {0} is not an Ed25519 key")]
pub struct MalformedKey(pub String);

/// Why a token opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// No token of this issuer for this audience, or a changed one.
    #[error("not a token for this")]
    Invalid,
    /// It names a key that is not in the set; a newer set may have it.
    #[error("signed with an unknown key")]
    UnknownKey,
    /// It was good.
    #[error("expired")]
    Expired,
}

/// The keys of one issuer.
pub struct KeySet {
    issuer: String,
    keys: Vec<(PublicKey, DecodingKey)>,
}

impl KeySet {
    pub fn new(known: TokenKeys) -> Result<Self, MalformedKey> {
        let decoded = known.keys.into_iter().map(|key| {
            let decoding = DecodingKey::from_ed_components(&key.x).map_err(|_| MalformedKey(key.key_id.clone()))?;
            Ok((key, decoding))
        });
        Ok(Self { issuer: known.issuer, keys: decoded.collect::<Result<_, _>>()? })
    }

    /// The claims of a token of this issuer for one of these audiences, good at `now`.
    pub fn verify(&self, unverified: &str, audiences: &[Audience], now: Timestamp) -> Result<Claims, TokenRefused> {
        if unverified.len() > MAX_TOKEN_BYTES {
            return Err(TokenRefused::Invalid);
        }
        let header = jsonwebtoken::decode_header(unverified).map_err(|_| TokenRefused::Invalid)?;
        let key_id = header.kid.filter(|_| header.alg == Algorithm::EdDSA).ok_or(TokenRefused::Invalid)?;
        let (_, key) = self.find(&key_id).ok_or(TokenRefused::UnknownKey)?;
        let claims = jsonwebtoken::decode::<Claims>(unverified, key, &self.validation(audiences));
        let claims = claims.map_err(|_| TokenRefused::Invalid)?.claims;
        if now.unix_seconds() < claims.exp { Ok(claims) } else { Err(TokenRefused::Expired) }
    }

    pub fn knows(&self, key_id: &str) -> bool {
        self.find(key_id).is_some()
    }

    pub fn public_keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter().map(|(key, _)| key)
    }

    fn find(&self, key_id: &str) -> Option<&(PublicKey, DecodingKey)> {
        self.keys.iter().find(|(key, _)| key.key_id == key_id)
    }

    /// The algorithm is fixed: what the token's header says can only be refused, never chosen.
    fn validation(&self, audiences: &[Audience]) -> Validation {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&self.issuer]);
        let audiences: Vec<&str> = audiences.iter().map(|audience| audience.as_str()).collect();
        validation.set_audience(&audiences);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Judged by the caller's clock instead.
        validation.validate_exp = false;
        validation
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey as _};
    use jsonwebtoken::{EncodingKey, Header};
    use maas_types::{TokenId, UserId};

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_795_000_000_123);

    fn claims() -> Claims {
        let (sub, jti) = (UserId::new_at(NOW), TokenId::new_at(NOW));
        let iat = NOW.unix_seconds();
        Claims { iss: "https://maas.example".to_owned(), aud: Audience::Inference, sub, iat, exp: iat + 600, jti }
    }

    fn public(key_id: &str, seed: u8) -> PublicKey {
        let x = URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes());
        PublicKey { key_id: key_id.to_owned(), x }
    }

    fn set() -> KeySet {
        KeySet::new(TokenKeys { issuer: "https://maas.example".to_owned(), keys: vec![public("one", 1)] }).unwrap()
    }

    fn signed(header: Header, claims: &Claims, seed: u8) -> String {
        let der = SigningKey::from_bytes(&[seed; 32]).to_pkcs8_der().unwrap();
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(der.as_bytes())).unwrap()
    }

    fn header(key_id: &str) -> Header {
        Header { kid: Some(key_id.to_owned()), ..Header::new(Algorithm::EdDSA) }
    }

    fn verdict(token: &str) -> Result<Claims, TokenRefused> {
        set().verify(token, &[Audience::Inference], NOW)
    }

    #[test]
    fn a_token_is_good_until_it_expires() {
        let token = signed(header("one"), &claims(), 1);
        assert!(verdict(&token).is_ok());
        let second_before = Timestamp::from_unix_ms((NOW.unix_seconds() + 599) * 1_000);
        assert!(set().verify(&token, &[Audience::Inference], second_before).is_ok());
        let at_end = Timestamp::from_unix_ms((NOW.unix_seconds() + 600) * 1_000);
        assert_eq!(set().verify(&token, &[Audience::Inference], at_end), Err(TokenRefused::Expired));
    }

    #[test]
    fn issuer_audience_key_and_signature_count() {
        assert_eq!(verdict(&signed(header("two"), &claims(), 1)), Err(TokenRefused::UnknownKey));
        assert_eq!(verdict(&signed(header("one"), &claims(), 2)), Err(TokenRefused::Invalid));
        assert_eq!(verdict(&signed(Header::new(Algorithm::EdDSA), &claims(), 1)), Err(TokenRefused::Invalid));
        let foreign = Claims { iss: "https://other.example".to_owned(), ..claims() };
        assert_eq!(verdict(&signed(header("one"), &foreign, 1)), Err(TokenRefused::Invalid));
        let control = Claims { aud: Audience::Control, ..claims() };
        assert_eq!(verdict(&signed(header("one"), &control, 1)), Err(TokenRefused::Invalid));
    }

    #[test]
    fn no_other_algorithm_is_taken() {
        // The public key as an HMAC secret: the classic confusion of algorithms.
        let secret = URL_SAFE_NO_PAD.decode(public("one", 1).x).unwrap();
        let hs256 = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&hs256, &claims(), &EncodingKey::from_secret(&secret)).unwrap();
        assert_eq!(verdict(&token), Err(TokenRefused::Invalid));
        let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims()).unwrap());
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"one"}"#);
        assert_eq!(verdict(&format!("{none}.{body}.")), Err(TokenRefused::Invalid));
    }

    #[test]
    fn changed_and_broken_tokens_are_refused() {
        let token = signed(header("one"), &claims(), 1);
        let (head, signature) = token.rsplit_once('.').unwrap();
        let (first, _) = head.split_once('.').unwrap();
        for broken in [format!("{head}."), format!("{first}.e30.{signature}"), "a.b.c".to_owned(), String::new()] {
            assert_eq!(verdict(&broken), Err(TokenRefused::Invalid), "{broken}");
        }
    }

    #[test]
    fn what_is_no_key_makes_no_set() {
        let keys = vec![PublicKey { key_id: "bad".to_owned(), x: "!".to_owned() }];
        assert!(KeySet::new(TokenKeys { issuer: String::new(), keys }).is_err());
    }
}
