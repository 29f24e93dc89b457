//! The error object that a client gets, in the shape of its language.

use bytes::Bytes;
use serde::{Serialize, Serializer};

use super::{ApiErrorCode, ErrorType, UpstreamErrorInfo};
use crate::api::Api;

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

    /// `{"error":{…}}`, for every language but Messages.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Envelope<'a> {
            error: &'a ErrorBody<'a>,
        }
        // Strings into memory: there is nothing here that can fail.
        serde_json::to_vec(&Envelope { error: self }).unwrap_or_default()
    }

    /// `{"type":"error","error":{"type","message",…},"request_id"}`, for Messages. Its clients read the named members;
    /// `param`, `code` and `doc_url` are ours.
    pub fn to_messages_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Envelope<'a> {
            #[serde(rename = "type")]
            kind: &'static str,
            error: Inner<'a>,
            request_id: &'a str,
        }
        #[derive(Serialize)]
        struct Inner<'a> {
            #[serde(rename = "type")]
            kind: &'a str,
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            param: Option<&'a str>,
            code: &'a str,
            #[serde(serialize_with = "doc_url")]
            doc_url: ApiErrorCode,
        }
        let error = Inner {
            kind: self.messages_type(),
            message: self.message,
            param: self.param,
            code: self.code,
            doc_url: self.doc_url,
        };
        serde_json::to_vec(&Envelope { kind: "error", error, request_id: self.request_id }).unwrap_or_default()
    }

    /// In the shape of `api`.
    pub fn to_json_in(&self, api: Api) -> Vec<u8> {
        match api {
            Api::Messages => self.to_messages_json(),
            Api::Chat | Api::Responses | Api::Plain => self.to_json(),
        }
    }

    /// An upstream that speaks Messages has chosen the type itself, and nearer than our code could.
    fn messages_type(&self) -> &'a str {
        let own = self.doc_url.error_type().as_str();
        if self.error_type != own && MESSAGES_TYPES.contains(&self.error_type) {
            return self.error_type;
        }
        messages_type(self.doc_url)
    }
}

impl UpstreamErrorInfo {
    /// The error as a client sees it in the middle of a stream: in the upstream's words, except where we know it.
    pub fn as_body<'a>(&'a self, request_id: &'a str) -> ErrorBody<'a> {
        let (message, param) = (Some(self.message.as_str()), self.param.as_deref());
        if self.context_overflow {
            return ErrorBody::new(ApiErrorCode::ContextLengthExceeded, message, param, request_id);
        }
        // Words about the platform's own credential, account or quota are not the client's.
        match self.amounts_to() {
            401..=403 => return ErrorBody::new(ApiErrorCode::UpstreamAuthFailed, None, None, request_id),
            429 => return ErrorBody::new(ApiErrorCode::UpstreamRateLimited, None, None, request_id),
            _ => {}
        }
        let body = ErrorBody::new(ApiErrorCode::UpstreamError, message, param, request_id);
        ErrorBody {
            error_type: self.kind.as_deref().unwrap_or(ErrorType::Server.as_str()),
            code: self.code.as_deref().unwrap_or(body.code),
            ..body
        }
    }
}

/// The types of errors that Anthropic documents: `https://docs.anthropic.com/en/api/errors`.
const MESSAGES_TYPES: [&str; 10] = [
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
    "rate_limit_error",
    "timeout_error",
    "api_error",
    "overloaded_error",
];

fn messages_type(code: ApiErrorCode) -> &'static str {
    match (code.error_type(), code.status()) {
        (_, 413) => "request_too_large",
        (ErrorType::InvalidRequest, _) => "invalid_request_error",
        (ErrorType::Authentication, _) => "authentication_error",
        (ErrorType::Permission, _) => "permission_error",
        (ErrorType::NotFound, _) => "not_found_error",
        (ErrorType::RateLimit | ErrorType::InsufficientQuota, _) => "rate_limit_error",
        (ErrorType::Server, 503) => "overloaded_error",
        (ErrorType::Server, 504) => "timeout_error",
        (ErrorType::Server, _) => "api_error",
    }
}

/// The whole body of an error answer in the shape of `api`.
pub fn error_body(api: Api, code: ApiErrorCode, message: Option<&str>, param: Option<&str>, request_id: &str) -> Bytes {
    ErrorBody::new(code, message, param, request_id).to_json_in(api).into()
}

fn doc_url<S: Serializer>(code: &ApiErrorCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{DOC_URL_BASE}#{}", code.code()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_the_documented_members() {
        let body = error_body(Api::Chat, ApiErrorCode::ModelNotFound, Some("no \"x\""), None, "req_1");
        let expected = concat!(
            r#"{"error":{"message":"no \"x\"","type":"not_found_error","param":"model","code":"model_not_found","#,
            r#""request_id":"req_1","doc_url":"/docs/errors#model_not_found"}}"#
        );
        assert_eq!(body, expected);
    }

    #[test]
    fn clients_of_messages_get_their_own_shape() {
        let body = error_body(Api::Messages, ApiErrorCode::Overloaded, None, None, "req_1");
        let expected = concat!(
            r#"{"type":"error","error":{"type":"overloaded_error","message":"The platform is overloaded.","#,
            r#""code":"overloaded","doc_url":"/docs/errors#overloaded"},"request_id":"req_1"}"#
        );
        assert_eq!(body, expected);
    }

    #[test]
    fn every_code_has_a_type_that_messages_knows() {
        let type_of = |code: ApiErrorCode| ErrorBody::new(code, None, None, "").messages_type().to_owned();
        for code in ApiErrorCode::ALL {
            assert!(MESSAGES_TYPES.contains(&type_of(code).as_str()), "{}", code.code());
        }
        assert_eq!(type_of(ApiErrorCode::RequestTooLarge), "request_too_large");
        assert_eq!(type_of(ApiErrorCode::InsufficientQuota), "rate_limit_error");
        assert_eq!(type_of(ApiErrorCode::UpstreamTimeout), "timeout_error");
    }

    #[test]
    fn an_upstreams_own_type_is_kept_where_the_language_has_it() {
        let named = |kind: &str| UpstreamErrorInfo { kind: Some(kind.to_owned()), ..UpstreamErrorInfo::default() };
        assert_eq!(named("overloaded_error").as_body("").messages_type(), "overloaded_error");
        assert_eq!(named("BadRequestError").as_body("").messages_type(), "api_error");
    }
}
