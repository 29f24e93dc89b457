use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite},
    post, web,
};
use maas_web::{Problem, ProblemCode, WebSettings, caller::authenticate, middleware::RequestContext};

use super::{initiator, session_of, store_problem};
use crate::app::AuthState;

/// Sign out
///
/// Ends the session of the cookie and removes the cookie. Also works while the one-time password is in use.
#[utoipa::path(
    tag = "sessions",
    operation_id = "signOut",
    security(("session_cookie" = [])),
    responses(
        (status = 204, description = "The session has ended"),
        (status = 403, description = "The caller has a token and no session, or the request comes from a foreign page"),
    )
)]
#[post("/api/v1/auth/logout")]
pub async fn sign_out(
    request: HttpRequest,
    context: RequestContext,
    state: web::Data<AuthState>,
    web_settings: web::Data<WebSettings>,
) -> Result<HttpResponse, Problem> {
    let caller = authenticate(&request).await?;
    let session = session_of(&caller)
        .ok_or_else(|| Problem::with_detail(ProblemCode::PermissionDenied, "only a session can sign out"))?;
    state.core().end_session(caller.user_id, session, &initiator(&caller, context)).await.map_err(store_problem)?;
    let mut cookie = Cookie::build(web_settings.session_cookie(), "")
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(web_settings.is_https())
        .finish();
    cookie.make_removal();
    Ok(HttpResponse::NoContent().cookie(cookie).finish())
}
