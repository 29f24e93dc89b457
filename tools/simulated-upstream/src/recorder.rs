//! The newest requests as they came, so that a test can look for what must and must not reach an upstream. In memory only.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use actix_web::HttpRequest;
use serde::{Deserialize, Serialize};

const KEPT_REQUESTS: usize = 64;
const KEPT_BODY_BYTES: usize = 64 * 1024;
const CREDENTIAL_HEADERS: [&str; 6] =
    ["authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedRequest {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub path: String,
    /// Without its question mark; empty if there is none.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The first 64 KiB.
    pub body: String,
    /// Of the whole body.
    pub body_bytes: u64,
    /// CRC-32 (IEEE) of the whole body, as zlib computes it.
    pub body_crc32: u32,
}

impl RecordedRequest {
    /// The first header of that name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| name.as_str())
    }

    /// Whether exactly these bytes arrived, also of a body that is longer than what is kept.
    pub fn body_is(&self, bytes: &[u8]) -> bool {
        self.body_bytes == bytes.len() as u64 && self.body_crc32 == crc32fast::hash(bytes)
    }

    /// For other processes: whether a credential came, but not which.
    pub(crate) fn without_credentials(mut self) -> Self {
        for (name, value) in &mut self.headers {
            if CREDENTIAL_HEADERS.contains(&name.as_str()) {
                *value = "(hidden)".to_owned();
            }
        }
        self
    }
}

#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<VecDeque<RecordedRequest>>);

impl Recorder {
    pub(crate) fn record(&self, request: &HttpRequest, body: &[u8]) {
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = request.headers().iter();
        let recorded = RecordedRequest {
            method: request.method().to_string(),
            target: request.uri().to_string(),
            path: request.path().to_owned(),
            query: request.query_string().to_owned(),
            headers: headers.map(|(name, value)| (name.as_str().to_owned(), lossy(value.as_bytes()))).collect(),
            body: lossy(&body[..body.len().min(KEPT_BODY_BYTES)]),
            body_bytes: body.len() as u64,
            body_crc32: crc32fast::hash(body),
        };
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() == KEPT_REQUESTS {
            requests.pop_front();
        }
        requests.push_back(recorded);
    }

    /// Oldest first.
    pub(crate) fn newest(&self) -> Vec<RecordedRequest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(crate) fn reset(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
