use actix_web::{HttpRequest, HttpResponse, get, http::header::LOCATION, web};
use maas_web::{Problem, WebSettings, middleware::RequestContext};
use reqwest::Url;
use secrecy::SecretString;

use super::{
    begin_sign_in::{back_with, browser_of},
    sign_in::{session_cookie, sign_in_client},
    sign_in_page::sign_in_page,
};
use crate::{
    app::AuthState,
    domain::sign_in_attempt::is_secret_shaped,
    service::finish_sign_in::{FinishSignInInput, ProviderAnswer},
};

/// Codes of providers are shorter, also those that hold everything they stand for.
const MAX_CODE_BYTES: usize = 4_096;
const MAX_ISSUER_BYTES: usize = 2_000;

/// Come back from an identity provider
///
/// Where providers send the browser (`code`, `state`) or say why not (`error`, `state`); other parameters are ignored.
/// Begins a session in a cookie and goes on to the return address of the sign-in.
#[utoipa::path(
    tag = "sessions",
    operation_id = "finishSignIn",
    security(()),
    params(
        ("provider" = String, Path, description = "The id of the provider", example = "corp"),
        ("state" = Option<String>, Query, description = "What the sign-in began with"),
        ("code" = Option<String>, Query, description = "The provider's answer"),
        ("error" = Option<String>, Query, description = "The provider's answer if it is no"),
        ("iss" = Option<String>, Query, description = "The issuer of the answer (RFC 9207)"),
    ),
    responses(
        (status = 302, description = "To the return address: signed in, or with `error` in its query"),
        (
            status = 400,
            description = "No sign-in of this browser has this state (any more); a page for people",
            body = String,
            content_type = "text/html"
        ),
        (status = 404, description = "There is no such provider"),
        (
            status = 429,
            description = "Too many attempts from this address; a page for people",
            body = String,
            content_type = "text/html"
        ),
        (
            status = 503,
            description = "A part that is needed is not reachable; a page for people",
            body = String,
            content_type = "text/html"
        ),
    )
)]
#[get("/api/v1/auth/callback/{provider}")]
pub async fn finish_sign_in(
    request: HttpRequest,
    path: web::Path<String>,
    context: RequestContext,
    state: web::Data<AuthState>,
    web_settings: web::Data<WebSettings>,
) -> Result<HttpResponse, Problem> {
    let core = state.core();
    let provider = core.federation.find(&path).ok_or_else(|| Problem::not_found("provider"))?;
    let request_id = context.request_id.clone();
    let (state_sent, answer) = read_answer(request.query_string());
    let input = FinishSignInInput {
        state: state_sent,
        browser: browser_of(&request, &web_settings),
        answer,
        client: sign_in_client(&request, &web_settings, context),
    };
    let finished = core.finish_sign_in(provider, input).await;
    // It was judged when the sign-in began, and is judged again: the list may have become shorter since.
    let return_to = finished.return_to.and_then(|asked| core.return_urls.check(&asked));
    Ok(match (finished.result, return_to) {
        (Ok(signed_in), return_to) => {
            let cookie = session_cookie(&web_settings, &signed_in.secret, core.settings.sessions.absolute.get());
            let return_to: Url = return_to.unwrap_or_else(|| core.return_urls.default_url());
            HttpResponse::Found().insert_header((LOCATION, return_to.as_str())).cookie(cookie).finish()
        }
        (Err(error), Some(return_to)) => back_with(return_to, error.failure()),
        (Err(error), None) => sign_in_page(error.failure(), &core.return_urls.default_url(), &request_id),
    })
}

/// The state, if it can be one of ours, and the answer. What is given twice is nothing: two readers could take
/// different ones for the right one.
fn read_answer(query: &str) -> (Option<SecretString>, ProviderAnswer) {
    let given: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let only = |wanted: &str| {
        let mut values = given.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_ref());
        let first = values.next()?;
        values.next().is_none().then_some(first)
    };
    let is_given = |wanted: &str| given.iter().any(|(name, _)| name == wanted);
    let state = only("state").filter(|state| is_secret_shaped(state)).map(SecretString::from);
    let answer = match (only("error"), only("code")) {
        (Some("access_denied"), None) => ProviderAnswer::Denied,
        (Some("server_error" | "temporarily_unavailable"), None) => ProviderAnswer::Trouble,
        (Some(_), None) => ProviderAnswer::Refused,
        (None, Some(code)) if is_readable(code, MAX_CODE_BYTES) && !is_given("error") => {
            let issuer = only("iss").map(str::to_owned);
            let is_clear = issuer.is_some() || !is_given("iss");
            if is_clear && issuer.as_ref().is_none_or(|issuer| issuer.len() <= MAX_ISSUER_BYTES) {
                ProviderAnswer::Code { code: code.into(), issuer }
            } else {
                ProviderAnswer::Unreadable
            }
        }
        _ => ProviderAnswer::Unreadable,
    };
    (state, answer)
}

fn is_readable(text: &str, most: usize) -> bool {
    !text.is_empty() && text.len() <= most && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(query: &str) -> ProviderAnswer {
        read_answer(query).1
    }

    #[test]
    fn a_code_is_taken_with_the_parameters_that_providers_add() {
        let taken = answer("code=a%2Fb&state=x&session_state=1&iss=https%3A%2F%2Fid.example");
        assert!(matches!(taken, ProviderAnswer::Code { issuer: Some(issuer), .. } if issuer == "https://id.example"));
    }

    #[test]
    fn answers_of_two_minds_are_unreadable() {
        let long = format!("code={}", "a".repeat(4_097));
        for query in [
            "",
            "code=",
            "code=a&code=b",
            "code=a&error=b",
            "error=a&error=b",
            "code=a%00",
            "code=a&iss=b&iss=c",
            &long,
        ] {
            assert!(matches!(answer(query), ProviderAnswer::Unreadable), "{query}");
        }
    }

    #[test]
    fn errors_of_the_provider_are_told_apart() {
        assert!(matches!(answer("error=access_denied"), ProviderAnswer::Denied));
        assert!(matches!(answer("error=server_error"), ProviderAnswer::Trouble));
        assert!(matches!(answer("error=unauthorized_client&error_description=x"), ProviderAnswer::Refused));
    }

    #[test]
    fn only_what_can_be_a_state_of_ours_is_looked_up() {
        let state = "a".repeat(43);
        assert!(read_answer(&format!("state={state}")).0.is_some());
        for query in ["state=", "state=a", &format!("state={state}&state={state}"), &format!("state={state}%00")] {
            assert!(read_answer(query).0.is_none(), "{query}");
        }
    }
}
