//! The client's side of the token endpoint: how we prove who we are, and the exchange of a code.

use openidconnect::{
    AuthType, AuthorizationCode, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, PkceCodeVerifier,
    RedirectUrl, RequestTokenError,
    core::{
        CoreClient, CoreClientAuthMethod, CoreErrorResponseType, CoreProviderMetadata, CoreRequestTokenError,
        CoreTokenResponse,
    },
};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};

use super::{DISCOVERY, OidcProvider};
use crate::{domain::sign_in_attempt::SignInAttempt, service::federation::error::ProviderError};

const TOKEN_ANSWER: &str = "the answer of the token endpoint";

/// A client with everything that a code flow needs.
type ReadyClient =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

impl OidcProvider {
    pub(super) fn client(&self, metadata: &CoreProviderMetadata, redirect_url: &Url) -> ReadyClient {
        let secret = self.client_secret.clone();
        let client = CoreClient::from_provider_metadata(metadata.clone(), self.client_id.clone(), secret);
        let methods = metadata.token_endpoint_auth_methods_supported();
        let takes = |method| methods.is_none_or(|methods| methods.contains(&method));
        // Basic is what a provider that says nothing takes.
        let in_body = !takes(CoreClientAuthMethod::ClientSecretBasic) && takes(CoreClientAuthMethod::ClientSecretPost);
        let auth_type = if in_body { AuthType::RequestBody } else { AuthType::BasicAuth };
        client.set_auth_type(auth_type).set_redirect_uri(RedirectUrl::from_url(redirect_url.clone()))
    }

    /// The tokens that the code stands for.
    pub(super) async fn exchange(
        &self,
        code: &SecretString,
        attempt: &SignInAttempt,
        metadata: &CoreProviderMetadata,
        redirect_url: &Url,
    ) -> Result<CoreTokenResponse, ProviderError> {
        let no_endpoint = |_| ProviderError::Unintelligible { document: DISCOVERY, reason: "names no token endpoint" };
        let http = |request: HttpRequest| self.calls.send(request);
        let client = self.client(metadata, redirect_url);
        let code = AuthorizationCode::new(code.expose_secret().to_owned());
        let verifier = PkceCodeVerifier::new(attempt.pkce_verifier.expose_secret().to_owned());
        let request = client.exchange_code(code).map_err(no_endpoint)?.set_pkce_verifier(verifier);
        request.request_async(&http).await.map_err(token_error)
    }
}

/// The answer itself is not told: it may hold tokens.
fn token_error(error: CoreRequestTokenError<ProviderError>) -> ProviderError {
    match error {
        RequestTokenError::Request(error) => error,
        RequestTokenError::ServerResponse(response) => {
            let code = match response.error() {
                CoreErrorResponseType::Extension(_) => "an error that OAuth does not know".to_owned(),
                known => known.as_ref().to_owned(),
            };
            ProviderError::Refused { request: "code", code }
        }
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            ProviderError::Unintelligible { document: TOKEN_ANSWER, reason: "cannot be understood" }
        }
    }
}
