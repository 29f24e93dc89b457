//! OpenID Connect: discovery, authorization code with PKCE, id token, and userinfo where the token does not say it all.

mod code;
#[cfg(test)]
mod tests;
pub mod verify;

use std::sync::Arc;

use maas_types::Timestamp;
use openidconnect::{
    AuthenticationFlow, ClientId, ClientSecret, CsrfToken, DiscoveryError, HttpRequest, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, Scope, TokenResponse as _,
    core::{CoreAuthenticationFlow, CoreIdToken, CoreProviderMetadata},
};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use self::verify::{TokenFault, TrustedIssuer, VerifiedClaims};
use super::{SetUpError, calls::Calls, error::ProviderError, fetched::Fetched};
use crate::{
    domain::{claims::ClaimNames, federated::FederatedIdentity, sign_in_attempt::SignInAttempt},
    settings::providers::ProviderSettings,
};

const DISCOVERY: &str = "the discovery document";
const USERINFO: &str = "the answer of the userinfo endpoint";
const DEFAULT_SCOPE: &str = "profile";

pub struct OidcProvider {
    id: String,
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: Option<ClientSecret>,
    scopes: Vec<Scope>,
    claims: ClaimNames,
    access_token_audiences: Vec<String>,
    calls: Calls,
    /// The discovery document with the key set.
    metadata: Fetched<CoreProviderMetadata>,
}

impl OidcProvider {
    pub fn new(settings: &ProviderSettings) -> Result<Self, SetUpError> {
        let scopes = settings.scopes.clone().unwrap_or_else(|| vec![DEFAULT_SCOPE.to_owned()]);
        // The crate asks for `openid` itself.
        let scopes = scopes.into_iter().filter(|scope| scope != "openid").map(Scope::new).collect();
        let secret = settings.read_client_secret().map_err(SetUpError::ClientSecret)?;
        Ok(Self {
            id: settings.id.clone(),
            issuer: IssuerUrl::new(settings.url.clone()).map_err(|_| SetUpError::Url)?,
            client_id: ClientId::new(settings.client_id.clone()),
            client_secret: secret.map(|secret| ClientSecret::new(secret.expose().to_owned())),
            scopes,
            claims: settings.claims.clone(),
            access_token_audiences: settings.access_token_audiences.clone(),
            calls: Calls::new(settings)?,
            metadata: Fetched::default(),
        })
    }

    pub fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    /// Where the browser goes to sign in.
    pub async fn authorization_url(
        &self,
        attempt: &SignInAttempt,
        state: &SecretString,
        redirect_url: &Url,
        now: Timestamp,
    ) -> Result<Url, ProviderError> {
        let metadata = self.metadata(now).await?;
        let client = self.client(&metadata, redirect_url);
        let (state, nonce) = (state.expose_secret().to_owned(), attempt.nonce.expose_secret().to_owned());
        let verifier = PkceCodeVerifier::new(attempt.pkce_verifier.expose_secret().to_owned());
        let flow: CoreAuthenticationFlow = AuthenticationFlow::AuthorizationCode;
        let request = client.authorize_url(flow, move || CsrfToken::new(state), move || Nonce::new(nonce));
        let request = request.add_scopes(self.scopes.clone());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let (url, _, _) = request.set_pkce_challenge(challenge).url();
        Ok(url)
    }

    /// Exchanges the code and says who signed in.
    pub async fn identity(
        &self,
        code: &SecretString,
        attempt: &SignInAttempt,
        redirect_url: &Url,
        now: Timestamp,
    ) -> Result<FederatedIdentity, ProviderError> {
        let metadata = self.metadata(now).await?;
        let tokens = self.exchange(code, attempt, &metadata, redirect_url).await?;
        let id_token = tokens.id_token().ok_or(TokenFault::Missing)?;
        let nonce = Nonce::new(attempt.nonce.expose_secret().to_owned());
        let verified = self
            .with_current_keys(metadata.clone(), now, |issuer| {
                issuer.verify_id_token(id_token, &nonce, tokens.access_token(), now)
            })
            .await?;
        self.introduced(verified, &metadata, tokens.access_token().secret()).await
    }

    /// Who an access token of this provider speaks for, if it was issued for us.
    pub async fn identity_of_access_token(
        &self,
        token: &SecretString,
        now: Timestamp,
    ) -> Result<FederatedIdentity, ProviderError> {
        let parsed: CoreIdToken = token.expose_secret().parse().map_err(|_| TokenFault::Malformed)?;
        let metadata = self.metadata(now).await?;
        let audiences = &self.access_token_audiences;
        let verify = |issuer: &TrustedIssuer<'_>| issuer.verify_access_token(&parsed, audiences, now);
        let verified = self.with_current_keys(metadata.clone(), now, verify).await?;
        self.introduced(verified, &metadata, token.expose_secret()).await
    }

    /// Verifies; if it is a matter of the key, once more with the keys that the provider has now.
    async fn with_current_keys(
        &self,
        metadata: Arc<CoreProviderMetadata>,
        now: Timestamp,
        verify: impl Fn(&TrustedIssuer<'_>) -> Result<VerifiedClaims, TokenFault>,
    ) -> Result<VerifiedClaims, ProviderError> {
        let trusting = |metadata: &CoreProviderMetadata| {
            verify(&TrustedIssuer { issuer: &self.issuer, keys: metadata.jwks(), client_id: &self.client_id })
        };
        match trusting(&metadata) {
            Err(TokenFault::UnknownKey) => {
                let newer = self.metadata.newer_than(&metadata, now, self.discover()).await?;
                let newer = newer.ok_or(TokenFault::UnknownKey)?;
                Ok(trusting(&newer)?)
            }
            verified => Ok(verified?),
        }
    }

    async fn metadata(&self, now: Timestamp) -> Result<Arc<CoreProviderMetadata>, ProviderError> {
        self.metadata.get(now, self.discover()).await
    }

    async fn discover(&self) -> Result<CoreProviderMetadata, ProviderError> {
        let http = |request: HttpRequest| self.calls.send(request);
        let metadata = CoreProviderMetadata::discover_async(self.issuer.clone(), &http).await.map_err(|error| {
            let unintelligible = |reason| ProviderError::Unintelligible { document: DISCOVERY, reason };
            match error {
                DiscoveryError::Request(error) => error,
                DiscoveryError::Validation(_) => unintelligible("is of another issuer than the setting says"),
                DiscoveryError::Response(..) => unintelligible("was not given: the answer is not JSON, or not 200"),
                _ => unintelligible("or the key set cannot be read"),
            }
        })?;
        // The browser is sent to the first of them; the others are checked again when they are called.
        self.calls.check(metadata.authorization_endpoint().url())?;
        Ok(metadata)
    }

    /// Claims beyond the id token's, of the same person.
    async fn userinfo(&self, url: &Url, token: &str, subject: &str) -> Result<Map<String, Value>, ProviderError> {
        let claims: Map<String, Value> = self.calls.get_json(USERINFO, url, Some(token)).await?;
        if claims.get("sub").and_then(Value::as_str) != Some(subject) {
            return Err(ProviderError::Identity("at its userinfo endpoint that somebody else signed in"));
        }
        Ok(claims)
    }

    /// Claims that the token does not have are asked for: taking them for none would take people's rights.
    async fn introduced(
        &self,
        verified: VerifiedClaims,
        metadata: &CoreProviderMetadata,
        access_token: &str,
    ) -> Result<FederatedIdentity, ProviderError> {
        let VerifiedClaims { subject, mut claims } = verified;
        if !self.claims.are_all_in(&claims)
            && let Some(endpoint) = metadata.userinfo_endpoint()
        {
            // The token's word counts where both say something.
            for (name, value) in self.userinfo(endpoint.url(), access_token, &subject).await? {
                claims.entry(name).or_insert(value);
            }
        }
        Ok(FederatedIdentity {
            provider_id: self.id.clone(),
            issuer: self.issuer.to_string(),
            subject,
            user_name: self.claims.user_name(&claims),
            display_name: self.claims.display_name(&claims),
            groups: self.claims.groups(&claims)?,
        })
    }
}
