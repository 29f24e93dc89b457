//! Concurrent edits: the row's version as an entity tag, and 412 when it moved on.

use std::pin::Pin;

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::HeaderValue};

use crate::{
    gate::Gate,
    problem::{FieldFault, Problem, ProblemCode},
};

/// The version from `If-Match`; `None` when the client did not send one (or sent `*`) and takes the risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatch(pub Option<u64>);

impl IfMatch {
    /// Refuses when the client saw another version than `current`.
    pub fn check(self, current: u64) -> Result<(), Problem> {
        match self.0 {
            Some(seen) if seen != current => Err(Problem::new(ProblemCode::EtagMismatch)),
            _ => Ok(()),
        }
    }
}

/// The `ETag` header of a version.
pub fn header(version: u64) -> (&'static str, String) {
    ("etag", format!("\"{version}\""))
}

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let parsed = request.headers().get("if-match").map_or(Ok(Self(None)), parse);
        let gate = Gate::of(request);
        Box::pin(async move {
            Gate::passed(gate).await;
            parsed
        })
    }
}

fn parse(value: &HeaderValue) -> Result<IfMatch, Problem> {
    let refused =
        || Problem::invalid(vec![FieldFault::new("If-Match", "invalid_value", "send back the ETag unchanged")]);
    let text = value.to_str().map_err(|_| refused())?.trim();
    if text == "*" {
        return Ok(IfMatch(None));
    }
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(refused)?;
    inner.parse().map(|version| IfMatch(Some(version))).map_err(|_| refused())
}
