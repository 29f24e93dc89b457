//! An upstream's error answer, in our shape: what is the client's fault stays so, what is ours or the upstream's is not
//! blamed on the client.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use maas_llm::error::{ApiErrorCode, UpstreamErrorInfo, parse_upstream_error};

use crate::{refusal::Refusal, routing::FailureClass};

const MOST_BYTES: usize = 64 * 1024;
const READ_WITHIN: Duration = Duration::from_secs(5);
const LONGEST_RETRY_AFTER: u32 = 60;

/// Reads the error body, as far as it is sensible, and says what the client is told.
pub async fn read(response: Response<Incoming>) -> Refusal {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|text| text.trim().parse::<u32>().ok());
    let collecting = Limited::new(response.into_body(), MOST_BYTES).collect();
    // An error that cannot be read is still an error.
    let body = match tokio::time::timeout(READ_WITHIN, collecting).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(_)) | Err(_) => Bytes::new(),
    };
    refusal(status, retry_after, || parse_upstream_error(&body))
}

/// What the client is told of an error that came under a status of success, and what the call has shown of its upstream.
pub fn under_success(error: UpstreamErrorInfo) -> (Refusal, FailureClass) {
    let status = error.amounts_to();
    let class = FailureClass::of_status(status, error.context_overflow);
    let message = error.message.clone();
    let refusal = refusal(status, None, || error);
    // Nobody has read the words of a server's own failure yet, and they are all there is.
    let is_bare = refusal.code == ApiErrorCode::UpstreamError && refusal.message.is_none();
    (if is_bare { Refusal { message: Some(message), ..refusal } } else { refusal }, class)
}

fn refusal(status: u16, retry_after: Option<u32>, error: impl FnOnce() -> UpstreamErrorInfo) -> Refusal {
    match status {
        401..=403 => ApiErrorCode::UpstreamAuthFailed.into(),
        429 => Refusal {
            retry_after_seconds: retry_after.map(|seconds| seconds.min(LONGEST_RETRY_AFTER)),
            ..ApiErrorCode::UpstreamRateLimited.into()
        },
        400..=499 => about_the_request(status, error()),
        _ => ApiErrorCode::UpstreamError.into(),
    }
}

fn about_the_request(status: u16, error: UpstreamErrorInfo) -> Refusal {
    if error.code.as_deref() == Some("previous_response_not_found") {
        // Its words name the response as the upstream knows it.
        let param = Some("previous_response_id".to_owned());
        return Refusal { param, ..ApiErrorCode::ResponseNotFound.into() };
    }
    let message = (!error.message.is_empty()).then_some(error.message);
    match status {
        // The upstream does not know the model that the catalogue says it has, or cannot be asked like that.
        404 | 405 | 407 | 408 => ApiErrorCode::UpstreamError.into(),
        _ if error.context_overflow => {
            Refusal { message, param: error.param, ..ApiErrorCode::ContextLengthExceeded.into() }
        }
        _ => Refusal { message, param: error.param, status: Some(status), ..ApiErrorCode::InvalidRequest.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, retry_after: Option<u32>, body: &[u8]) -> Refusal {
        refusal(status, retry_after, || parse_upstream_error(body))
    }

    #[test]
    fn an_error_under_200_is_judged_by_what_it_says() {
        let judged = |body: &[u8]| {
            let (refusal, class) = under_success(parse_upstream_error(body));
            (refusal.code, class, refusal.message)
        };
        let (code, class, message) = judged(br#"{"error":{"message":"Incorrect API key: sk-x","code":"401"}}"#);
        assert_eq!((code, class, message), (ApiErrorCode::UpstreamAuthFailed, FailureClass::Auth, None));
        let (code, class, _) = judged(br#"{"error":{"message":"maximum context length is 9 tokens"}}"#);
        assert_eq!((code, class), (ApiErrorCode::ContextLengthExceeded, FailureClass::ContextLength));
        let (code, class, _) = judged(br#"{"error":{"message":"bad","type":"invalid_request_error"}}"#);
        assert_eq!((code, class), (ApiErrorCode::InvalidRequest, FailureClass::Client));
        let (code, class, message) = judged(br#"{"error":{"message":"The engine has failed."}}"#);
        assert_eq!(
            (code, class, message.as_deref()),
            (ApiErrorCode::UpstreamError, FailureClass::Failed, Some("The engine has failed."))
        );
    }

    #[test]
    fn our_credential_is_never_the_clients_fault() {
        let refused = told(401, None, br#"{"error":{"message":"Incorrect API key provided: sk-secret"}}"#);
        assert_eq!((refused.status(), refused.code, refused.message), (502, ApiErrorCode::UpstreamAuthFailed, None));
    }

    #[test]
    fn the_clients_fault_keeps_status_and_words() {
        let refused = told(422, None, br#"{"error":{"message":"bad temperature","param":"temperature","code":7}}"#);
        assert_eq!(refused.status(), 422);
        assert_eq!(refused.message.as_deref(), Some("bad temperature"));
        assert_eq!(refused.param.as_deref(), Some("temperature"));
    }

    #[test]
    fn a_response_that_the_upstream_has_forgotten_is_not_found() {
        let body = br#"{"error":{"message":"Previous response with id 'resp_9' not found.","code":"previous_response_not_found"}}"#;
        for status in [400, 404] {
            let refused = told(status, None, body);
            assert_eq!((refused.status(), refused.code), (404, ApiErrorCode::ResponseNotFound));
            assert_eq!((refused.message, refused.param.as_deref()), (None, Some("previous_response_id")));
        }
    }

    #[test]
    fn an_overflow_in_vllms_words_is_recognised() {
        let body = br#"{"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens","type":"BadRequestError","code":400}"#;
        assert_eq!(told(400, None, body).code, ApiErrorCode::ContextLengthExceeded);
    }

    #[test]
    fn waiting_times_are_passed_on_up_to_a_minute() {
        assert_eq!(told(429, Some(7), b"").retry_after_seconds, Some(7));
        assert_eq!(told(429, Some(7_200), b"").retry_after_seconds, Some(60));
        assert_eq!(told(503, None, b"<html>").status(), 502);
    }
}
