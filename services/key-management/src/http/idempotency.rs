//! The header `Idempotency-Key`.

use maas_types::input::InputFault;
use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use maas_web::Problem;
use sha2::{Digest as _, Sha256};

use super::invalid;
use crate::store::idempotency::IdempotencyHash;

const MAX_LENGTH: usize = 255;

/// The hash of the client's key, if it sent one.
#[derive(Debug, Clone, Copy)]
pub struct IdempotencyKey(pub Option<IdempotencyHash>);

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let header = request.headers().get("idempotency-key").map(|value| value.as_bytes());
        ready(header.map(hash).transpose().map(Self))
    }
}

fn hash(key: &[u8]) -> Result<IdempotencyHash, Problem> {
    if !(1..=MAX_LENGTH).contains(&key.len()) || !key.iter().all(u8::is_ascii_graphic) {
        let detail = format!("1 to {MAX_LENGTH} visible ASCII characters");
        return Err(invalid(vec![InputFault::new("Idempotency-Key", "invalid_value", detail)]));
    }
    Ok(Sha256::digest(key).into())
}
