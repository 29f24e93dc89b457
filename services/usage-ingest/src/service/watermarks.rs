//! Answers producers that ask how far they are committed, and what time it is here.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use maas_bus::Responder;
use maas_events::usage::{Watermark, WatermarkQuery, Watermarks};
use maas_store::{Database, StoreError};
use maas_types::Clock;
use prost::Message as _;

use super::key_usage::NOTHING_TO_SAY;
use crate::{events::watermark_to_wire, store};

/// The most sources of one question; a proxy has one per worker, and those of the boot before.
const MAX_SOURCES: usize = 1_000;

/// Sources that are not known are not in the answer: a producer keeps what it was not told to be committed, and sends it
/// again. While the database is away the answer is one that cannot be decoded: sending again would not help then.
///
/// The time is read last, so that a producer whose question and answer lie around it can tell how far its clock is off.
pub fn responder(database: Database, clock: Arc<dyn Clock>) -> Responder {
    Arc::new(move |question| {
        let (database, clock) = (database.clone(), clock.clone());
        Box::pin(async move {
            match answer(&database, question).await {
                Ok(sources) => {
                    let told = Watermarks { sources, told_at_ms: clock.now().unix_ms() };
                    told.encode_to_vec().into()
                }
                Err(error) => {
                    tracing::warn!(error.message = %error, "a question for watermarks was not answered");
                    Bytes::from_static(NOTHING_TO_SAY)
                }
            }
        })
    })
}

async fn answer(database: &Database, question: Bytes) -> Result<Vec<Watermark>, StoreError> {
    let Ok(query) = WatermarkQuery::decode(question) else { return Ok(Vec::new()) };
    if query.sources.is_empty() {
        return Ok(Vec::new());
    }
    let names: BTreeSet<Arc<str>> =
        query.sources.iter().take(MAX_SOURCES).map(|name| Arc::from(name.as_str())).collect();
    let sources = store::source::load(database.reader(), &names).await?;
    Ok(sources.iter().map(|(name, state)| watermark_to_wire(name, state)).collect())
}
