//! Answers producers that ask how far they are committed.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use maas_bus::Responder;
use maas_events::usage::{WatermarkQuery, Watermarks};
use maas_store::{Database, StoreError};
use prost::Message as _;

use crate::{events::watermark_to_wire, store};

/// The most sources of one question; a proxy has one per worker, and those of the boot before.
const MAX_SOURCES: usize = 1_000;

/// Sources that are not known, and all of them while the database is away, are not in the answer: a producer keeps what
/// it was not told to be committed.
pub fn responder(database: Database) -> Responder {
    Arc::new(move |question| {
        let database = database.clone();
        Box::pin(async move {
            let answer = answer(&database, question).await.unwrap_or_else(|error| {
                tracing::warn!(error.message = %error, "a question for watermarks was not answered");
                Watermarks::default()
            });
            answer.encode_to_vec().into()
        })
    })
}

async fn answer(database: &Database, question: Bytes) -> Result<Watermarks, StoreError> {
    let Ok(query) = WatermarkQuery::decode(question) else { return Ok(Watermarks::default()) };
    let names: BTreeSet<Arc<str>> =
        query.sources.iter().take(MAX_SOURCES).map(|name| Arc::from(name.as_str())).collect();
    let sources = store::source::load(database.reader(), &names).await?;
    Ok(Watermarks { sources: sources.iter().map(|(name, state)| watermark_to_wire(name, &state.committed)).collect() })
}
