use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time},
    post, web,
};
use maas_web::{
    Credential, FieldFault, JsonBody, Problem, ProblemCode, WebSettings,
    caller::{check_origin, credential, csrf_token},
    middleware::RequestContext,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{attempts_problem, no_faults, pool_problem, store_problem, user_view::UserView};
use crate::{
    app::AuthState,
    domain::{password, session::SessionClient},
    service::{
        admit::SignInClient,
        initiator::Initiator,
        sign_in::{SignInError, SignInInput},
    },
};

const LONGER_THAN_ANY: &str = "is longer than any that exists";

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInRequest {
    #[schema(example = "ada", max_length = 255)]
    pub user_name: String,
    #[schema(example = "correct horse battery staple", format = Password)]
    pub password: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SignInAnswer {
    pub user: UserView,
    /// Send it in `x-csrf-token` with each change that the session makes.
    #[schema(example = "0bq3uXkq0v2bq1gY3fVb3d2m2bXn7p3gQ0m1w8Qm8yE")]
    pub csrf_token: String,
    /// Until the password is changed, the session can do nothing else.
    pub must_change_password: bool,
}

/// Sign in with a password
///
/// Begins a session in a cookie. At most ten attempts a minute per account and per client address.
#[utoipa::path(
    tag = "sessions",
    operation_id = "signIn",
    security(()),
    request_body = SignInRequest,
    responses(
        (status = 200, description = "Signed in; the session is in the cookie", body = SignInAnswer),
        (status = 401, description = "User name or password is wrong"),
        (status = 403, description = "Sign-in with a password is switched off, or the request comes from a foreign page"),
        (status = 429, description = "Too many attempts; Retry-After says when to try again"),
    )
)]
#[post("/api/v1/auth/login")]
pub async fn sign_in(
    request: HttpRequest,
    context: RequestContext,
    state: web::Data<AuthState>,
    web_settings: web::Data<WebSettings>,
    body: JsonBody<SignInRequest>,
) -> Result<HttpResponse, Problem> {
    // Programs send no Origin; pages always do.
    if request.headers().contains_key("origin") {
        check_origin(&request, &web_settings)?;
    }
    let input = input(&request, &web_settings, context, body.0)?;
    let signed_in = state.core().sign_in(input).await?;
    let answer = SignInAnswer {
        csrf_token: csrf_token(&signed_in.secret),
        must_change_password: signed_in.user.must_change_password,
        user: UserView::to_api(signed_in.user),
    };
    let lifetime = state.core().settings.sessions.absolute.get();
    Ok(HttpResponse::Ok().cookie(session_cookie(&web_settings, &signed_in.secret, lifetime)).json(answer))
}

fn input(
    request: &HttpRequest,
    web_settings: &WebSettings,
    context: RequestContext,
    body: SignInRequest,
) -> Result<SignInInput, Problem> {
    let too_long = |pointer: &str| FieldFault::new(pointer, "too_long", LONGER_THAN_ANY);
    no_faults(
        [
            sign_in_name_fault(&body.user_name),
            (body.password.len() > password::MAX_BYTES).then(|| too_long("/password")),
        ]
        .into_iter()
        .flatten(),
    )?;
    let SignInClient { client, replaced, initiator } = sign_in_client(request, web_settings, context);
    Ok(SignInInput { user_name: body.user_name, password: body.password.into(), client, replaced, initiator })
}

/// From where somebody signs in, whichever way.
pub(super) fn sign_in_client(
    request: &HttpRequest,
    web_settings: &WebSettings,
    context: RequestContext,
) -> SignInClient {
    let user_agent = request.headers().get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or_default();
    SignInClient {
        client: SessionClient { address: context.client_address.clone(), user_agent: user_agent.to_owned() },
        replaced: match credential(request, web_settings) {
            Ok(Some(Credential::Session(secret))) => Some(secret),
            _ => None,
        },
        initiator: Initiator {
            user_id: None,
            user_name: String::new(),
            request_id: context.request_id,
            address: context.client_address,
        },
    }
}

/// Names that nobody can have, and that the databases differ about.
fn sign_in_name_fault(name: &str) -> Option<FieldFault> {
    let pointer = "/user_name";
    if name.chars().count() > 255 {
        return Some(FieldFault::new(pointer, "too_long", LONGER_THAN_ANY));
    }
    let has_control = name.chars().any(char::is_control);
    has_control.then(|| FieldFault::new(pointer, "invalid_characters", "must not hold control characters"))
}

pub(super) fn session_cookie(
    settings: &WebSettings,
    secret: &SecretString,
    lifetime: std::time::Duration,
) -> Cookie<'static> {
    let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    Cookie::build(settings.session_cookie(), secret.expose_secret().to_owned())
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(settings.is_https())
        .max_age(time::Duration::seconds(seconds))
        .finish()
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::ProviderOff => Self::with_detail(ProblemCode::PermissionDenied, error.to_string()),
            SignInError::TooManyAttempts(error) => attempts_problem(error),
            SignInError::Refused => Self::new(ProblemCode::InvalidCredentials),
            SignInError::Password(error) => pool_problem(error),
            SignInError::Random(error) => Self::internal(error),
            SignInError::Store(error) => store_problem(error),
        }
    }
}
