//! The OAuth server of an OpenShift cluster. It is OAuth 2 and not OpenID Connect: there is no id token and no `sub`; who
//! signed in, the API server says to the access token.
//!
//! Sources: RFC 8414 (metadata), RFC 6749 and 7636 (code with PKCE), OpenShift's `user.openshift.io/v1` `User`.

use std::sync::Arc;

use maas_types::Timestamp;
use openidconnect::{PkceCodeChallenge, PkceCodeVerifier};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{SetUpError, calls::Calls, error::ProviderError, fetched::Fetched};
use crate::{
    domain::{
        federated::FederatedIdentity,
        openshift::{real_groups, subject},
        sign_in_attempt::SignInAttempt,
    },
    settings::providers::ProviderSettings,
};

const METADATA_PATH: &str = ".well-known/oauth-authorization-server";
const USER_PATH: &str = "apis/user.openshift.io/v1/users/~";
/// Reads who signed in, and nothing else.
const SCOPE: &str = "user:info";

const METADATA: &str = "the OAuth metadata";
const TOKEN_ANSWER: &str = "the answer of the token endpoint";
const USER: &str = "the user";

pub struct OpenShiftProvider {
    id: String,
    api_server: Url,
    client_id: String,
    client_secret: SecretString,
    calls: Calls,
    metadata: Fetched<Metadata>,
}

/// What is needed of RFC 8414.
#[derive(Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    token_type: String,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: String,
}

/// `user.openshift.io/v1` `User`; lists and texts may be null.
#[derive(Deserialize)]
struct User {
    metadata: ObjectMeta,
    #[serde(rename = "fullName")]
    full_name: Option<String>,
    groups: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct ObjectMeta {
    name: String,
    uid: Option<String>,
}

impl OpenShiftProvider {
    pub fn new(settings: &ProviderSettings) -> Result<Self, SetUpError> {
        let secret = settings.read_client_secret().map_err(SetUpError::ClientSecret)?;
        // A base without a slash at its end would lose its last segment when paths are joined.
        let base = format!("{}/", settings.url.trim_end_matches('/'));
        Ok(Self {
            id: settings.id.clone(),
            api_server: Url::parse(&base).map_err(|_| SetUpError::Url)?,
            client_id: settings.client_id.clone(),
            client_secret: secret.unwrap_or_default().expose().into(),
            calls: Calls::new(settings)?,
            metadata: Fetched::default(),
        })
    }

    /// The cluster's name for itself; people who come by token review have the same.
    pub async fn issuer(&self, now: Timestamp) -> Result<String, ProviderError> {
        Ok(self.metadata(now).await?.issuer.clone())
    }

    pub async fn authorization_url(
        &self,
        attempt: &SignInAttempt,
        state: &SecretString,
        redirect_url: &Url,
        now: Timestamp,
    ) -> Result<Url, ProviderError> {
        let mut url = self.metadata(now).await?.authorization_endpoint.clone();
        let verifier = PkceCodeVerifier::new(attempt.pkce_verifier.expose_secret().to_owned());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", redirect_url.as_str())
            .append_pair("scope", SCOPE)
            .append_pair("state", state.expose_secret())
            .append_pair("code_challenge", challenge.as_str())
            .append_pair("code_challenge_method", challenge.method().as_str());
        Ok(url)
    }

    pub async fn identity(
        &self,
        code: &SecretString,
        attempt: &SignInAttempt,
        redirect_url: &Url,
        now: Timestamp,
    ) -> Result<FederatedIdentity, ProviderError> {
        let metadata = self.metadata(now).await?;
        let token = self.exchange(code, attempt, &metadata, redirect_url).await?;
        let unusable = |_| ProviderError::Unintelligible { document: USER, reason: "has no address" };
        let url = self.api_server.join(USER_PATH).map_err(unusable)?;
        let user: User = self.calls.get_json(USER, &url, Some(token.expose_secret())).await?;
        self.introduced(user, metadata.issuer.clone())
    }

    async fn metadata(&self, now: Timestamp) -> Result<Arc<Metadata>, ProviderError> {
        self.metadata.get(now, self.discover()).await
    }

    async fn discover(&self) -> Result<Metadata, ProviderError> {
        let unusable = |reason| ProviderError::Unintelligible { document: METADATA, reason };
        let url = self.api_server.join(METADATA_PATH).map_err(|_| unusable("have no address"))?;
        let metadata: Metadata = self.calls.get_json(METADATA, &url, None).await?;
        if metadata.issuer.is_empty() {
            return Err(unusable("name no issuer"));
        }
        if !metadata.code_challenge_methods_supported.iter().any(|method| method == "S256") {
            return Err(unusable("do not offer PKCE with S256"));
        }
        self.calls.check(&metadata.authorization_endpoint)?;
        Ok(metadata)
    }

    /// The client's secret goes in the body: ids such as `system:serviceaccount:ns:name` do not fit into Basic.
    async fn exchange(
        &self,
        code: &SecretString,
        attempt: &SignInAttempt,
        metadata: &Metadata,
        redirect_url: &Url,
    ) -> Result<SecretString, ProviderError> {
        let unintelligible = |reason| ProviderError::Unintelligible { document: TOKEN_ANSWER, reason };
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code.expose_secret())
            .append_pair("redirect_uri", redirect_url.as_str())
            .append_pair("code_verifier", attempt.pkce_verifier.expose_secret())
            .append_pair("client_id", &self.client_id)
            .append_pair("client_secret", self.client_secret.expose_secret())
            .finish();
        let request = http::Request::post(metadata.token_endpoint.as_str())
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(http::header::ACCEPT, "application/json")
            .body(form.into_bytes())
            .map_err(|_| unintelligible("cannot be asked for"))?;
        let answer = self.calls.send(request).await?;
        if answer.status() != http::StatusCode::OK {
            let error: ErrorAnswer =
                serde_json::from_slice(answer.body()).map_err(|_| unintelligible("is an error without a code"))?;
            return Err(ProviderError::Refused { request: "code", code: known_code(&error.error).to_owned() });
        }
        let token: TokenAnswer = serde_json::from_slice(answer.body()).map_err(|_| unintelligible("is no token"))?;
        if !token.token_type.eq_ignore_ascii_case("bearer") || token.access_token.is_empty() {
            return Err(unintelligible("is no bearer token"));
        }
        Ok(token.access_token.into())
    }

    fn introduced(&self, user: User, issuer: String) -> Result<FederatedIdentity, ProviderError> {
        let subject = subject(user.metadata.uid, &user.metadata.name);
        let subject = subject.ok_or(ProviderError::Identity("no uid of the person"))?;
        Ok(FederatedIdentity {
            provider_id: self.id.clone(),
            issuer,
            subject,
            user_name: user.metadata.name,
            display_name: user.full_name,
            groups: real_groups(user.groups),
        })
    }
}

/// RFC 6749, section 5.2.
fn known_code(code: &str) -> &str {
    const KNOWN: [&str; 6] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    ];
    KNOWN.into_iter().find(|known| *known == code).unwrap_or("an error that OAuth does not know")
}
