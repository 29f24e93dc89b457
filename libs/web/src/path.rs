//! One typed id out of the path. What is not an id of that kind is a 404: no such thing can exist.

use std::{pin::Pin, str::FromStr};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::{gate::Gate, problem::Problem};

/// The path parameter `{id}`.
#[derive(Debug)]
pub struct PathParam<T>(pub T);

impl<T: FromStr + 'static> FromRequest for PathParam<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = request.match_info().get("id").unwrap_or("");
        let parsed = text.parse().map(Self).map_err(|_| Problem::not_found("resource"));
        let gate = Gate::of(request);
        Box::pin(async move {
            Gate::passed(gate).await;
            parsed
        })
    }
}
