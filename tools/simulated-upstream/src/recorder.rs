//! The newest requests as they came, so that a test can look for what must not reach an upstream. In memory only.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use actix_web::HttpRequest;
use serde::Serialize;

const KEPT_REQUESTS: usize = 64;
const KEPT_BODY_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordedRequest {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The first 64 KiB.
    pub body: String,
}

impl RecordedRequest {
    /// The first header of that name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
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
            headers: headers.map(|(name, value)| (name.as_str().to_owned(), lossy(value.as_bytes()))).collect(),
            body: lossy(&body[..body.len().min(KEPT_BODY_BYTES)]),
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
