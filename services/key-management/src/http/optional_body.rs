//! A JSON body that may be left out altogether.

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use maas_web::{JsonBody, Problem};
use serde::de::DeserializeOwned;

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
        None => !headers.contains_key("transfer-encoding") && !headers.contains_key("content-type"),
    }
}
