//! A JSON body that may be left out altogether.

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::Version};
use serde::de::DeserializeOwned;

use crate::{body::JsonBody, problem::Problem};

/// Without a body the default of `T`; a body that is there is checked like any other.
#[derive(Debug)]
pub struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalBody<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if is_absent(request) {
            return Box::pin(async { Ok(Self(T::default())) });
        }
        let body = JsonBody::<T>::from_request(request, payload);
        Box::pin(async move { Ok(Self(body.await?.0)) })
    }
}

fn is_absent(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let length = headers.get("content-length").map(|value| value.as_bytes());
    match length {
        Some(length) => length == b"0",
        None if headers.contains_key("transfer-encoding") => false,
        // HTTP/1.1 frames a body with one of the two headers; HTTP/2 needs neither.
        None => request.version() <= Version::HTTP_11 || !headers.contains_key("content-type"),
    }
}
