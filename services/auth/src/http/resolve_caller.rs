//! For the other services, on the internal listener: whose credential is this?

use actix_web::{HttpResponse, web};
use maas_web::{
    CallerResolver as _, JsonBody, Problem, ProblemCode,
    internal::FromService,
    remote_caller::{ResolveCallerAnswer, ResolveCallerRequest},
};

use crate::app::AuthState;

pub async fn resolve_caller(
    _from: FromService,
    state: web::Data<AuthState>,
    body: JsonBody<ResolveCallerRequest>,
) -> Result<HttpResponse, Problem> {
    let resolved = state.resolver().resolve(&body.0.into_credential()).await;
    let caller = resolved.map_err(|error| {
        let problem = Problem { cause: Some(Box::new(error)), ..Problem::new(ProblemCode::IdentityUnavailable) };
        problem.retry_after(2)
    })?;
    Ok(HttpResponse::Ok().json(ResolveCallerAnswer { caller }))
}
