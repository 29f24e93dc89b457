//! The error object that a client gets, in OpenAI's shape.

use bytes::Bytes;
use serde::{Serialize, Serializer};

use super::ApiErrorCode;

/// Where the list of error codes is served; the code is the anchor.
pub const DOC_URL_BASE: &str = "/docs/errors";

/// The fields of an error as the client sees them.
#[derive(Debug, Clone, Serialize)]
pub struct ErrorBody<'a> {
    pub message: &'a str,
    #[serde(rename = "type")]
    pub error_type: &'a str,
    pub param: Option<&'a str>,
    /// Always a string: some libraries trip over numbers.
    pub code: &'a str,
    pub request_id: &'a str,
    #[serde(serialize_with = "doc_url")]
    pub doc_url: ApiErrorCode,
}

impl<'a> ErrorBody<'a> {
    /// `message` and `param` fall back to what the code says by itself.
    pub fn new(code: ApiErrorCode, message: Option<&'a str>, param: Option<&'a str>, request_id: &'a str) -> Self {
        Self {
            message: message.unwrap_or(code.default_message()),
            error_type: code.error_type().as_str(),
            param: param.or(code.default_param()),
            code: code.code(),
            request_id,
            doc_url: code,
        }
    }

    /// `{"error":{…}}`.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Envelope<'a> {
            error: &'a ErrorBody<'a>,
        }
        // Strings into memory: there is nothing here that can fail.
        serde_json::to_vec(&Envelope { error: self }).unwrap_or_default()
    }
}

/// The whole body of an error answer.
pub fn error_body(code: ApiErrorCode, message: Option<&str>, param: Option<&str>, request_id: &str) -> Bytes {
    ErrorBody::new(code, message, param, request_id).to_json().into()
}

fn doc_url<S: Serializer>(code: &ApiErrorCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{DOC_URL_BASE}#{}", code.code()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_the_documented_members() {
        let body = error_body(ApiErrorCode::ModelNotFound, Some("no \"x\""), None, "req_1");
        let expected = concat!(
            r#"{"error":{"message":"no \"x\"","type":"not_found_error","param":"model","code":"model_not_found","#,
            r#""request_id":"req_1","doc_url":"/docs/errors#model_not_found"}}"#
        );
        assert_eq!(body, expected);
    }
}
