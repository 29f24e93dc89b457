//! What both clients share: one HTTP client per process, and an answer read to its end.

use std::sync::Once;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

/// Longer than any answer that a test expects, shorter than a test runner's patience.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A new client: a runtime per test means that connections cannot be shared between tests.
pub(crate) fn client() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(maas_runtime::tls::install_crypto_provider);
    // No roots: everything is plain HTTP on this machine, and one without CA certificates must do.
    let builder =
        Client::builder().tls_certs_only([]).no_proxy().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
    builder.build().expect("an HTTP client")
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        Self::try_of(request).await.expect("an HTTP answer")
    }

    /// The error is one of the connection, never a status.
    pub(crate) async fn try_of(request: RequestBuilder) -> reqwest::Result<Self> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, text: response.text().await? })
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    /// The body of an answer that must have this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// The code of a problem of the control plane; checks the shape that all of them have.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let body = self.json();
        assert_eq!(body["status"], status, "{body}");
        for field in ["type", "title", "code", "request_id"] {
            assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "no {field}: {body}");
        }
        assert_eq!(body["request_id"].as_str(), Some(self.header("x-request-id")), "{body}");
        body["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The code of an error of the data plane; checks the shape that all of them have.
    #[track_caller]
    pub fn api_error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        let body = self.json();
        let error = &body["error"];
        for field in ["message", "type", "code", "request_id"] {
            assert!(error[field].as_str().is_some_and(|text| !text.is_empty()), "no {field}: {body}");
        }
        assert!(error.get("param").is_some(), "no param: {body}");
        assert_eq!(error["request_id"].as_str(), Some(self.header("x-request-id")), "{body}");
        error["code"].as_str().unwrap_or_default().to_owned()
    }
}
