//! Small pieces of JSON text, and answers made of them.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use bytes::Bytes;

/// The same in every answer: a test that compares bodies need not cut times out.
pub(crate) const CREATED: u64 = 1_750_000_000;

pub(crate) fn json_answer(status: StatusCode, body: impl Into<Bytes>) -> HttpResponse {
    HttpResponse::build(status).content_type("application/json").body(body.into())
}

/// Quoted and escaped.
pub(crate) fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `null` for `None`.
pub(crate) fn json_or_null(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| value.to_string())
}
