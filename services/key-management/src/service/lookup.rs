//! Answers proxies that meet a well-formed key they have not heard of.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use maas_bus::{BusError, Responder, SharedBus};
use maas_events::{
    state::{KeyLookup, KeyLookupAnswer, KeyState},
    topic::KEY_LOOKUP_SUBJECT,
};
use maas_keys::PublicId;
use maas_store::{Database, StoreError};
use prost::Message as _;

use crate::{events::state_of, store};

/// Longer than a proxy waits for an answer.
const SILENCE: Duration = Duration::from_secs(2);
/// No protobuf message: should it reach anybody after the silence, it is an error there and not "no such key".
const NO_ANSWER: &[u8] = b"\xff";

pub async fn respond(bus: &SharedBus, database: Database) -> Result<(), BusError> {
    let responder: Responder = Arc::new(move |question| {
        let database = database.clone();
        Box::pin(async move { answer(&database, question).await })
    });
    bus.respond(KEY_LOOKUP_SUBJECT, responder).await
}

/// A key that cannot be looked up right now gets no answer in time: an empty answer would be believed.
async fn answer(database: &Database, question: Bytes) -> Bytes {
    match find(database, question).await {
        Ok(key) => KeyLookupAnswer { key }.encode_to_vec().into(),
        Err(error) => {
            tracing::warn!(error = %error, "a key could not be looked up for a proxy");
            tokio::time::sleep(SILENCE).await;
            Bytes::from_static(NO_ANSWER)
        }
    }
}

async fn find(database: &Database, question: Bytes) -> Result<Option<KeyState>, LookupError> {
    let lookup = KeyLookup::decode(question)?;
    let Ok(public_id) = lookup.public_id.parse::<PublicId>() else { return Ok(None) };
    let key = store::key::find_by_public_id(database.reader(), public_id).await?;
    Ok(key.as_ref().map(state_of))
}

#[derive(Debug, thiserror::Error)]
enum LookupError {
    #[error("the question is no KeyLookup: {0}")]
    Question(#[from] prost::DecodeError),
    #[error("{0}")]
    Store(#[from] StoreError),
}
