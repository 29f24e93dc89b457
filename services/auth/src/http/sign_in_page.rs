//! What a browser sees when a sign-in went wrong and nobody knows where it came from.

use actix_web::{HttpResponse, http::StatusCode};
use reqwest::Url;

use crate::domain::sign_in_attempt::SignInFailure;

/// Nothing on it can be run or framed. `request_id` is ours or was found harmless.
pub fn sign_in_page(failure: SignInFailure, again: &Url, request_id: &str) -> HttpResponse {
    let (code, text) = (failure.code(), explanation(failure));
    let again = again.as_str().replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('\'', "&#39;");
    let body = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Sign-in failed</title>\n\
         <h1>Sign-in failed</h1>\n<p>{text}</p>\n<p><a href=\"{again}\">Start again</a></p>\n\
         <p><small>{code}, request {request_id}</small></p>\n</html>\n"
    );
    HttpResponse::build(status(failure))
        .content_type("text/html; charset=utf-8")
        .insert_header(("content-security-policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"))
        .body(body)
}

fn status(failure: SignInFailure) -> StatusCode {
    match failure {
        SignInFailure::TooManyAttempts => StatusCode::TOO_MANY_REQUESTS,
        SignInFailure::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        SignInFailure::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn explanation(failure: SignInFailure) -> &'static str {
    match failure {
        SignInFailure::TooManyAttempts => "There were too many attempts from your network. Wait a minute.",
        SignInFailure::Unavailable | SignInFailure::Internal => "The platform cannot sign you in at the moment.",
        _ => "This sign-in took too long, was used already, or began in another browser.",
    }
}
