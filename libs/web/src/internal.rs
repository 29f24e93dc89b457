//! The internal listeners: services among themselves, with a shared token.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use crate::problem::{Problem, ProblemCode};

/// The tokens that are accepted: two during a change. Each has at least 32 bytes, the configuration sees to that.
#[derive(Debug, Clone)]
pub struct InternalTokens(pub Vec<SecretString>);

impl InternalTokens {
    fn accepts(&self, presented: &[u8]) -> bool {
        self.0.iter().any(|token| bool::from(token.expose_secret().as_bytes().ct_eq(presented)))
    }
}

/// Proof that the request came from one of our services. As an argument of a handler it is the check.
#[derive(Debug)]
pub struct FromService(());

impl FromRequest for FromService {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let tokens = request.app_data::<web::Data<InternalTokens>>();
        let header = request.headers().get("authorization").map(|value| value.as_bytes());
        let presented = header.and_then(|value| value.strip_prefix(b"Bearer "));
        let accepted = tokens.zip(presented).is_some_and(|(tokens, presented)| tokens.accepts(presented));
        ready(if accepted { Ok(Self(())) } else { Err(Problem::new(ProblemCode::NotAuthenticated)) })
    }
}
