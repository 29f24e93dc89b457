//! Answers proxies that ask what a key has used, for the key's own question about itself.

use std::sync::Arc;

use bytes::Bytes;
use maas_bus::Responder;
use maas_events::usage::{KeyUsage, KeyUsageQuery};
use maas_store::{Database, StoreError};
use maas_types::{Clock, Currency};
use prost::Message as _;
use uuid::Uuid;

use crate::{
    domain::completeness::{LOST_AFTER, complete_until},
    store,
};

/// Not a protobuf message: while nothing can be said, the asker must not read zeros.
pub(super) const NOTHING_TO_SAY: &[u8] = &[0xff];

#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("the question names no key")]
    NoKey,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the sum does not fit the answer")]
    TooLarge,
}

/// Costs in other currencies than `currency` are not in the answer, which has room for one.
pub fn responder(database: Database, clock: Arc<dyn Clock>, currency: Currency) -> Responder {
    Arc::new(move |question| {
        let (database, clock) = (database.clone(), clock.clone());
        Box::pin(async move {
            match answer(&database, &*clock, currency, question).await {
                Ok(usage) => usage.encode_to_vec().into(),
                Err(error) => {
                    tracing::warn!(error.message = %error, "a question for a key's usage was not answered");
                    Bytes::from_static(NOTHING_TO_SAY)
                }
            }
        })
    })
}

async fn answer(
    database: &Database,
    clock: &dyn Clock,
    currency: Currency,
    question: Bytes,
) -> Result<KeyUsage, NoAnswer> {
    let query = KeyUsageQuery::decode(question).map_err(|_| NoAnswer::NoKey)?;
    let key = Uuid::from_slice(&query.key_id).map_err(|_| NoAnswer::NoKey)?;
    let now = clock.now();
    // Read before the sums: what it promises is then in them.
    let sources = store::source::load_current(database.reader(), now.minus(LOST_AFTER)).await?;
    let sums = store::ledger::of_key(database.reader(), key).await?;
    // Corrections may take more back than a key was ever charged.
    let count = |sum: i128| u64::try_from(sum.max(0)).map_err(|_| NoAnswer::TooLarge);
    let cost = sums.costs.get(&currency).copied().unwrap_or_default();
    Ok(KeyUsage {
        requests: count(sums.requests)?,
        input_tokens: count(sums.input_tokens)?,
        output_tokens: count(sums.output_tokens)?,
        cost_nanos: i64::try_from(cost).map_err(|_| NoAnswer::TooLarge)?,
        currency: currency.to_string(),
        complete_until_ms: complete_until(sources.values(), now).unix_ms(),
    })
}
