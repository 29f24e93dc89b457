//! Believing a token of an OIDC provider: its signature and every claim that says it is meant for us and now.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use maas_types::Timestamp;
use openidconnect::{
    AccessToken, AccessTokenHash, ClaimsVerificationError, ClientId, JsonWebKeySet, Nonce, SignatureVerificationError,
    core::{CoreIdToken, CoreIdTokenClaims, CoreIdTokenVerifier, CoreJsonWebKey, CoreJwsSigningAlgorithm},
};
use serde_json::{Map, Value};

/// How far the provider's clock and ours may be apart.
const LEEWAY: Duration = Duration::from_secs(60);

/// Public-key signatures only. With a shared secret, whoever holds the client's could make people up, and the
/// provider's public key must never be taken for one.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    #[error("there is none")]
    Missing,
    #[error("it cannot be read")]
    Malformed,
    #[error("it is signed by none of the provider's keys")]
    UnknownKey,
    #[error("it is not signed, its signature is wrong, or its algorithm is not allowed")]
    Signature,
    #[error("it is from another issuer")]
    Issuer,
    #[error("it is meant for somebody else")]
    Audience,
    #[error("it was given to another client")]
    AuthorizedParty,
    #[error("it has expired")]
    Expired,
    #[error("it is from the future")]
    NotYetValid,
    #[error("it belongs to another sign-in")]
    Nonce,
    #[error("it does not belong to the access token beside it")]
    AccessTokenHash,
    #[error("it is no access token")]
    Kind,
    #[error("a claim is wrong")]
    Claim,
}

/// Whose tokens are believed.
pub struct TrustedIssuer<'a> {
    pub issuer: &'a openidconnect::IssuerUrl,
    pub keys: &'a JsonWebKeySet<CoreJsonWebKey>,
    pub client_id: &'a ClientId,
}

/// Claims that a signature of the provider stands behind.
#[derive(Debug)]
pub struct VerifiedClaims {
    pub subject: String,
    pub claims: Map<String, Value>,
}

impl TrustedIssuer<'_> {
    /// An id token that came from the token endpoint together with `access_token`.
    pub fn verify_id_token(
        &self,
        token: &CoreIdToken,
        nonce: &Nonce,
        access_token: &AccessToken,
        now: Timestamp,
    ) -> Result<VerifiedClaims, TokenFault> {
        let verifier = self.verifier(now);
        let claims = token.claims(&verifier, nonce).map_err(|error| fault(&error))?;
        if claims.authorized_party().is_some_and(|party| party != self.client_id) {
            return Err(TokenFault::AuthorizedParty);
        }
        check_access_token_hash(token, claims, access_token, &verifier)?;
        verified(token, claims, now)
    }

    /// An access token in the form of RFC 9068, or near it, that was issued for one of `audiences`. Id tokens are
    /// refused: they say who signed in somewhere, not that somebody may act.
    pub fn verify_access_token(
        &self,
        token: &CoreIdToken,
        audiences: &[String],
        now: Timestamp,
    ) -> Result<VerifiedClaims, TokenFault> {
        let verifier = self.verifier(now).require_audience_match(false).allow_all_jose_types();
        let claims = token.claims(&verifier, any_nonce).map_err(|error| fault(&error))?;
        if !claims.audiences().iter().any(|audience| audiences.iter().any(|ours| ours == audience.as_str())) {
            return Err(TokenFault::Audience);
        }
        if claims.nonce().is_some() || claims.access_token_hash().is_some() || claims.code_hash().is_some() {
            return Err(TokenFault::Kind);
        }
        verified(token, claims, now)
    }

    fn verifier<'b>(&self, now: Timestamp) -> CoreIdTokenVerifier<'b> {
        let latest = now.plus(LEEWAY).unix_seconds();
        CoreIdTokenVerifier::new_public_client(self.client_id.clone(), self.issuer.clone(), self.keys.clone())
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || system_time(now.minus(LEEWAY)).into())
            .set_issue_time_verifier_fn(move |issued| {
                if issued.timestamp() <= latest { Ok(()) } else { Err(FROM_THE_FUTURE.to_owned()) }
            })
    }
}

/// Tells a token from the future from an expired one: the crate has one error for both.
const FROM_THE_FUTURE: &str = "from the future";

fn any_nonce(_: Option<&Nonce>) -> Result<(), String> {
    Ok(())
}

fn check_access_token_hash(
    token: &CoreIdToken,
    claims: &CoreIdTokenClaims,
    access_token: &AccessToken,
    verifier: &CoreIdTokenVerifier<'_>,
) -> Result<(), TokenFault> {
    let Some(expected) = claims.access_token_hash() else { return Ok(()) };
    let algorithm = token.signing_alg().map_err(|_| TokenFault::Signature)?;
    let key = token.signing_key(verifier).map_err(|_| TokenFault::Signature)?;
    let actual = AccessTokenHash::from_token(access_token, algorithm, key).map_err(|_| TokenFault::AccessTokenHash)?;
    if actual == *expected { Ok(()) } else { Err(TokenFault::AccessTokenHash) }
}

/// The whole payload, since the names of claims are a setting; its signature was checked.
fn verified(token: &CoreIdToken, claims: &CoreIdTokenClaims, now: Timestamp) -> Result<VerifiedClaims, TokenFault> {
    let text = token.to_string();
    let payload = text.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let payload = payload.ok_or(TokenFault::Malformed)?;
    let all: Map<String, Value> = serde_json::from_slice(&payload).map_err(|_| TokenFault::Malformed)?;
    // `nbf` is none of the crate's claims.
    let not_before = all.get("nbf").and_then(Value::as_f64);
    if not_before.is_some_and(|time| time > now.plus(LEEWAY).unix_seconds() as f64) {
        return Err(TokenFault::NotYetValid);
    }
    Ok(VerifiedClaims { subject: claims.subject().as_str().to_owned(), claims: all })
}

fn fault(error: &ClaimsVerificationError) -> TokenFault {
    match error {
        ClaimsVerificationError::Expired(text) if text == FROM_THE_FUTURE => TokenFault::NotYetValid,
        ClaimsVerificationError::Expired(_) => TokenFault::Expired,
        ClaimsVerificationError::InvalidAudience(_) => TokenFault::Audience,
        ClaimsVerificationError::InvalidIssuer(_) => TokenFault::Issuer,
        ClaimsVerificationError::InvalidNonce(_) => TokenFault::Nonce,
        ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::NoMatchingKey | SignatureVerificationError::CryptoError(_),
        ) => TokenFault::UnknownKey,
        ClaimsVerificationError::SignatureVerification(_) => TokenFault::Signature,
        _ => TokenFault::Claim,
    }
}

fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + at.since(Timestamp::EPOCH)
}
