//! Who asks for a token, or withdraws one: somebody with a session, with a token of ours, or with a token of a provider
//! that is exchanged here.

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use maas_types::UserId;
use maas_web::{
    CallerResolver as _, Credential, Gate, Problem, ProblemCode, Require, Via, WebSettings, caller,
    middleware::RequestContext, permission::CreateToken,
};
use secrecy::SecretString;

use super::{attempts_problem, store_problem};
use crate::{
    app::AuthState,
    service::{admit::AdmitError, exchange::ExchangeError, initiator::Initiator},
};

/// With what the caller came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBy {
    Session,
    OwnToken,
    ForeignToken,
}

/// As an argument of a handler it is the check: everybody may have tokens of their own.
#[derive(Debug)]
pub struct TokenHolder {
    pub user_id: UserId,
    pub held_by: HeldBy,
    pub initiator: Initiator,
}

impl FromRequest for TokenHolder {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let presented = presented(request);
        if !matches!(presented, Ok(Some(Credential::Token(_)))) {
            // Also where there is none, or an API key: the refusals are the same as everywhere.
            let required = Require::<CreateToken>::from_request(request, payload);
            let context = RequestContext::from_request(request, payload);
            return Box::pin(async move {
                let (caller, context) = (required.await?.caller, context.await?);
                let initiator = super::initiator(&caller, context);
                Ok(Self { user_id: caller.user_id, held_by: HeldBy::Session, initiator })
            });
        }
        let (request, gate) = (request.clone(), Gate::close(request));
        Box::pin(async move {
            let Ok(Some(Credential::Token(token))) = presented else {
                return Err(Problem::new(ProblemCode::NotAuthenticated));
            };
            let holder = holder_of_token(&request, token).await?;
            gate.open();
            Ok(holder)
        })
    }
}

fn presented(request: &HttpRequest) -> Result<Option<Credential>, Problem> {
    let settings = request.app_data::<web::Data<WebSettings>>().ok_or_else(|| Problem::internal("no web settings"))?;
    caller::credential(request, settings)
}

async fn holder_of_token(request: &HttpRequest, token: SecretString) -> Result<TokenHolder, Problem> {
    let state = request.app_data::<web::Data<AuthState>>().ok_or_else(|| Problem::internal("no state"))?;
    let context = RequestContext::extract(request).await?;
    let stranger = Initiator {
        user_id: None,
        user_name: String::new(),
        request_id: context.request_id.clone(),
        address: context.client_address.clone(),
    };
    if !state.core().claims_to_be_ours(&token) {
        let provider = named_provider(request.query_string())?;
        let user = state.core().holder_of_foreign_token(&token, provider.as_deref(), &stranger).await?;
        let initiator = stranger.acting_as(&user);
        return Ok(TokenHolder { user_id: user.id, held_by: HeldBy::ForeignToken, initiator });
    }
    let resolved = state.resolver().resolve(&Credential::Token(token)).await.map_err(|error| {
        let problem = Problem { cause: Some(Box::new(error)), ..Problem::new(ProblemCode::IdentityUnavailable) };
        problem.retry_after(2)
    })?;
    let caller = resolved.ok_or_else(|| Problem::new(ProblemCode::NotAuthenticated))?;
    debug_assert!(!matches!(caller.via, Via::Session(_)));
    let initiator = super::initiator(&caller, context);
    Ok(TokenHolder { user_id: caller.user_id, held_by: HeldBy::OwnToken, initiator })
}

/// `?provider=`, needed only where several clusters are configured.
fn named_provider(query: &str) -> Result<Option<String>, Problem> {
    let mut named = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != "provider" {
            let detail = "no such parameter";
            let fault = maas_web::FieldFault::new(format!("?{}", shown(&name)), "unknown_parameter", detail);
            return Err(Problem::invalid(vec![fault]));
        }
        named = Some(value.into_owned());
    }
    Ok(named)
}

fn shown(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(64).collect()
}

impl From<ExchangeError> for Problem {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::NotAccepted => Self::new(ProblemCode::NotAuthenticated),
            ExchangeError::ProviderNeeded => {
                let detail = "name the provider whose token it is: several clusters are configured";
                Self::invalid(vec![maas_web::FieldFault::new("?provider", "required", detail)])
            }
            ExchangeError::TooManyRefused(error) => attempts_problem(error),
            ExchangeError::Unavailable(cause) => {
                let problem = Self { cause: Some(cause), ..Self::new(ProblemCode::IdentityUnavailable) };
                problem.retry_after(2)
            }
            ExchangeError::Admit(error) => admit_problem(error),
        }
    }
}

fn admit_problem(error: AdmitError) -> Problem {
    match error {
        AdmitError::NotAllowed => Problem::with_detail(ProblemCode::PermissionDenied, error.to_string()),
        AdmitError::Disabled | AdmitError::Malformed(_) => Problem::new(ProblemCode::NotAuthenticated),
        AdmitError::Contended => Problem::unavailable(error),
        AdmitError::Random(error) => Problem::internal(error),
        AdmitError::Store(error) => store_problem(error),
    }
}
