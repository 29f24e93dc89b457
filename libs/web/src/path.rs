//! Typed ids out of the path. What is not an id of that kind is a 404: no such thing can exist.

use std::{pin::Pin, str::FromStr};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::{gate::Gate, problem::Problem};

/// The only path parameter.
#[derive(Debug)]
pub struct PathParam<T>(pub T);

/// The two path parameters of a thing inside another one, in the order of the path.
#[derive(Debug)]
pub struct PathPair<T, U>(pub T, pub U);

impl<T: FromStr + 'static, U: FromStr + 'static> FromRequest for PathPair<T, U> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut texts = request.match_info().iter().map(|(_, text)| text);
        let outer = texts.next().and_then(|text| text.parse().ok());
        let inner = texts.next().and_then(|text| text.parse().ok());
        let parsed = outer.zip(inner).map(|(outer, inner)| Self(outer, inner));
        let parsed = parsed.ok_or_else(|| Problem::not_found("resource"));
        let gate = Gate::of(request);
        Box::pin(async move {
            Gate::passed(gate).await;
            parsed
        })
    }
}

impl<T: FromStr + 'static> FromRequest for PathParam<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = request.match_info().iter().next().map_or("", |(_, text)| text);
        let parsed = text.parse().map(Self).map_err(|_| Problem::not_found("resource"));
        let gate = Gate::of(request);
        Box::pin(async move {
            Gate::passed(gate).await;
            parsed
        })
    }
}
