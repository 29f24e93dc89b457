//! Who the holder of a cluster's token is: the cluster itself says it (`authentication.k8s.io/v1` `TokenReview`).
//!
//! The answer repeats the token. It is read here and nowhere else, bounded, and no part of it is logged or passed on.

use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use kube::{Client, Config, client::Body};
use maas_http::check_url;
use maas_types::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use super::federation::{Federation, ProviderError};
use crate::{
    domain::{federated::FederatedIdentity, openshift},
    settings::providers::ProviderSettings,
};

const PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Somebody in five hundred groups with long names stays below.
const LARGEST_ANSWER: usize = 512 * 1024;
/// Questions to one cluster at a time; who comes then is told to come back.
const MOST_AT_A_TIME: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    #[error("the cluster does not know the token")]
    NotAuthenticated,
    #[error("the token is for another audience")]
    Audience,
    #[error("the cluster names no uid of the person")]
    NoUid,
    #[error("too many tokens are being reviewed")]
    Busy,
    /// Without a part of the answer, which may hold the token.
    #[error("the cluster cannot be asked: {0}")]
    Unavailable(String),
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

#[derive(Debug, thiserror::Error)]
#[error("the client for token reviews of {provider}: {cause}")]
pub struct ReviewerSetUp {
    pub provider: String,
    pub cause: String,
}

/// One cluster.
pub struct TokenReviewer {
    pub provider_id: String,
    client: Client,
    audiences: Vec<String>,
    turns: Semaphore,
}

impl TokenReviewer {
    /// `None`: the settings name no token to ask with.
    pub fn from_settings(settings: &ProviderSettings) -> Result<Option<Self>, ReviewerSetUp> {
        let Some(token_file) = &settings.reviewer_token_file else { return Ok(None) };
        let failed = |cause: String| ReviewerSetUp { provider: settings.id.clone(), cause };
        // The client resolves names itself; an address in the settings can be judged here.
        let url = reqwest::Url::parse(&settings.url).map_err(|error| failed(error.to_string()))?;
        check_url(&settings.guard(), &url).map_err(|error| failed(error.to_string()))?;
        let mut config = Config::new(settings.url.parse().map_err(|error| failed(format!("{error}")))?);
        config.root_cert_file.clone_from(&settings.ca_file);
        config.auth_info.token_file = Some(token_file.display().to_string());
        config.connect_timeout = Some(ANSWER_WITHIN);
        config.write_timeout = Some(ANSWER_WITHIN);
        // Somebody is waiting: they are told to come back instead.
        config.default_retry = false;
        let client = Client::try_from(config).map_err(|error| failed(error.to_string()))?;
        let turns = Semaphore::new(MOST_AT_A_TIME);
        let (provider_id, audiences) = (settings.id.clone(), settings.review_audiences.clone());
        Ok(Some(Self { provider_id, client, audiences, turns }))
    }

    /// The person as the cluster introduces them: the same as at a sign-in with the browser.
    pub async fn identity(
        &self,
        token: &SecretString,
        federation: &Federation,
        now: Timestamp,
    ) -> Result<FederatedIdentity, ReviewError> {
        let provider = federation.find(&self.provider_id);
        let provider = provider.ok_or_else(|| ReviewError::Unavailable("it is not configured".to_owned()))?;
        let user = self.review(token).await?;
        let user_name = user.username.unwrap_or_default();
        Ok(FederatedIdentity {
            provider_id: self.provider_id.clone(),
            issuer: provider.issuer(now).await?,
            subject: openshift::subject(user.uid, &user_name).ok_or(ReviewError::NoUid)?,
            user_name,
            display_name: None,
            groups: openshift::real_groups(user.groups),
        })
    }

    async fn review(&self, token: &SecretString) -> Result<UserInfo, ReviewError> {
        let _turn = self.turns.try_acquire().map_err(|_| ReviewError::Busy)?;
        let asked = tokio::time::timeout(ANSWER_WITHIN, self.ask(token)).await;
        let review = asked.map_err(|_| unavailable("no answer in time"))??;
        let status = review.status.ok_or_else(|| unavailable("an answer without status"))?;
        if status.authenticated != Some(true) {
            return Err(ReviewError::NotAuthenticated);
        }
        let answered = status.audiences.unwrap_or_default();
        // A cluster that knows nothing of audiences ignores them; then nobody has checked.
        if !self.audiences.is_empty() && !answered.iter().any(|audience| self.audiences.contains(audience)) {
            return Err(ReviewError::Audience);
        }
        status.user.ok_or_else(|| unavailable("an answer without user"))
    }

    /// By the lowest way of the client: its others log an answer that they cannot read.
    async fn ask(&self, token: &SecretString) -> Result<TokenReview, ReviewError> {
        let audiences = (!self.audiences.is_empty()).then(|| self.audiences.clone());
        let spec = TokenReviewSpec { token: Some(token.expose_secret().to_owned()), audiences };
        let review = TokenReview { spec, ..TokenReview::default() };
        let body = serde_json::to_vec(&review).map_err(|_| unavailable("the question cannot be written"))?;
        let request = http::Request::post(PATH).header(http::header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body)).map_err(|_| unavailable("the question cannot be written"))?;
        let answer = self.client.send(request).await.map_err(|_| unavailable("no connection"))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(ReviewError::Unavailable(format!("status {}", status.as_u16())));
        }
        let collected = Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await;
        let body = collected.map_err(|_| unavailable("an answer that breaks off or is too long"))?.to_bytes();
        serde_json::from_slice(&body).map_err(|_| unavailable("an answer that is no review"))
    }
}

fn unavailable(what: &str) -> ReviewError {
    ReviewError::Unavailable(what.to_owned())
}
