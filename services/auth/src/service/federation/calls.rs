//! Calls to one provider: guarded addresses, TLS unless it is this machine, no redirects, bounded answers, time-outs.

use std::{error::Error as _, time::Duration};

use maas_http::{AddressGuard, ClientError, ControlOptions, check_url, control_client};
use openidconnect::{HttpRequest, HttpResponse};
use reqwest::Url;
use serde::de::DeserializeOwned;

use super::error::ProviderError;
use crate::settings::providers::{ProviderSettings, is_this_machine};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// For a whole call; a sign-in makes three to five of them one after the other.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Key sets and tokens with many groups stay far below.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

pub struct Calls {
    client: reqwest::Client,
    guard: AddressGuard,
}

impl Calls {
    pub fn new(settings: &ProviderSettings) -> Result<Self, ClientError> {
        let guard = settings.guard();
        let options = ControlOptions {
            guard: guard.clone(),
            ca_files: settings.ca_file.iter().cloned().collect(),
            connect_timeout: CONNECT_TIMEOUT,
            timeout: CALL_TIMEOUT,
            ..ControlOptions::default()
        };
        Ok(Self { client: control_client(&options)?, guard })
    }

    /// In the types of the crate `openidconnect`. A status of any kind is an answer.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ProviderError> {
        let request = reqwest::Request::try_from(request).map_err(|error| unreachable(&error))?;
        self.check(request.url())?;
        let mut response = self.client.execute(request).await.map_err(|error| unreachable(&error))?;
        let mut answer = http::Response::builder().status(response.status());
        if let Some(kind) = response.headers().get(http::header::CONTENT_TYPE) {
            answer = answer.header(http::header::CONTENT_TYPE, kind);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(ProviderError::Unreachable("its answer is longer than 1 MiB".to_owned()));
            }
            body.extend_from_slice(&chunk);
        }
        answer.body(body).map_err(|_| ProviderError::Unreachable("its answer is not HTTP".to_owned()))
    }

    /// The JSON of a 200. `document` names it in errors.
    pub async fn get_json<T: DeserializeOwned>(
        &self,
        document: &'static str,
        url: &Url,
        bearer: Option<&str>,
    ) -> Result<T, ProviderError> {
        let invalid = |reason| ProviderError::Unintelligible { document, reason };
        let mut request = http::Request::get(url.as_str()).header(http::header::ACCEPT, "application/json");
        if let Some(token) = bearer {
            request = request.header(http::header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Vec::new()).map_err(|_| invalid("cannot be asked for"))?;
        let answer = self.send(request).await?;
        match answer.status().as_u16() {
            200 => serde_json::from_slice(answer.body()).map_err(|_| invalid("is not what it should be")),
            401 | 403 => Err(ProviderError::Refused { request: document, code: answer.status().as_u16().to_string() }),
            _ => Err(invalid("was not given: the answer is not 200")),
        }
    }

    /// Whether we may call `url`, or send a browser there. A provider that speaks TLS cannot lead us away from it.
    pub fn check(&self, url: &Url) -> Result<(), ProviderError> {
        let is_secure = url.scheme() == "https" || (url.scheme() == "http" && is_this_machine(url));
        if !is_secure {
            return Err(ProviderError::Insecure);
        }
        check_url(&self.guard, url)?;
        Ok(())
    }
}

/// The innermost cause says it best; the URL may hold what should not be seen.
fn unreachable(error: &reqwest::Error) -> ProviderError {
    if error.is_timeout() {
        return ProviderError::Unreachable("it took too long".to_owned());
    }
    let Some(mut cause) = error.source() else {
        return ProviderError::Unreachable("the call failed".to_owned());
    };
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    ProviderError::Unreachable(cause.to_string())
}
