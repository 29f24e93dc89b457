//! `GET /v1/key`: what a key can learn about itself.

use actix_web::HttpResponse;
use maas_keys::PREFIX;
use maas_llm::error::ApiErrorCode;
use maas_types::{Currency, KeyId, Money, Nanos, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Incoming, credential};
use crate::{refusal::Refusal, worker::Worker};

/// A key and what it has used. Limits and remaining amounts join here.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnKey {
    pub id: KeyId,
    #[schema(example = "batch jobs")]
    pub name: String,
    /// The part of the key that may be shown.
    #[schema(example = "sk-maas-4fGh8sK2mQ9xT7bZ")]
    pub prefix: String,
    pub expires_at: Option<Timestamp>,
    /// `null`: all models that its owner may use.
    pub models: Option<Vec<String>>,
    /// `null` when the usage cannot be read right now.
    pub usage: Option<OwnKeyUsage>,
}

/// Everything the key has used since it was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnKeyUsage {
    pub requests: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cost: Money,
    /// Usage after this may still be missing.
    pub complete_until: Timestamp,
}

pub async fn get(worker: &Worker, incoming: &Incoming<'_>) -> Result<HttpResponse, Refusal> {
    let caller = credential::check(&worker.shared, incoming.head, None).await?;
    let Some(key) = &caller.key else {
        let message = "An access token has no key: this is for API keys. Your usage is in the portal.";
        return Err(Refusal::with_message(ApiErrorCode::OperationNotAllowed, message));
    };
    let usage = worker.shared.key_usage.ask(key.id).await.map(|usage| OwnKeyUsage {
        requests: usage.requests,
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        cost: Money {
            amount: Nanos(usage.cost_nanos),
            currency: usage.currency.parse::<Currency>().unwrap_or_default(),
        },
        complete_until: Timestamp::from_unix_ms(usage.complete_until_ms),
    });
    let models = key.models.as_ref().map(|models| {
        let mut names: Vec<String> = models.iter().map(|name| name.to_string()).collect();
        names.sort_unstable();
        names
    });
    let answer = OwnKey {
        id: key.id,
        name: key.name.to_string(),
        prefix: format!("{PREFIX}{}", key.public_id),
        expires_at: key.expires_at,
        models,
        usage,
    };
    let mut response = HttpResponse::Ok();
    response.insert_header(("x-request-id", incoming.request_id.as_str())).insert_header(("cache-control", "no-store"));
    Ok(response.json(answer))
}
