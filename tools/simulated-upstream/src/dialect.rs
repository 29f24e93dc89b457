//! The three kinds of API that are spoken here, as far as they differ for every operation.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAi,
    Anthropic,
    Azure,
}

impl Dialect {
    /// Whether the request holds the key where this dialect has it.
    pub(crate) fn finds_key(self, request: &HttpRequest, key: &str) -> bool {
        match self {
            Self::OpenAi => bearer(request) == Some(key),
            Self::Anthropic => header(request, "x-api-key") == Some(key),
            Self::Azure => header(request, "api-key") == Some(key) || bearer(request) == Some(key),
        }
    }
}

pub(crate) fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    request.headers().get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}
