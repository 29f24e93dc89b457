//! The first load of a new proxy: every key's state value, in pages, so that memory stays bounded on both sides.

use actix_web::{HttpResponse, get, web};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use maas_store::{Database, StoreError};
use maas_types::KeyId;
use maas_web::internal::FromService;
use prost::Message as _;

use crate::{events::state_of, service::KeyService, store};

const PAGE: u64 = 500;

/// Length-delimited `KeyState` messages. A fault in the middle cuts the connection without the final chunk, which
/// the client must notice: what it has is not everything.
#[get("/internal/v1/state/keys")]
pub async fn export_key_states(_: FromService, service: web::Data<KeyService>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/x-protobuf; delimited=true")
        .streaming(Box::pin(pages(service.database.clone())))
}

fn pages(database: Database) -> impl Stream<Item = Result<Bytes, StoreError>> {
    stream::try_unfold(None::<KeyId>, move |after| {
        let database = database.clone();
        async move {
            let keys = store::key_page::walk(database.reader(), after, PAGE).await?;
            let Some(last) = keys.last().map(|key| key.id) else { return Ok(None) };
            let mut page = BytesMut::new();
            for key in &keys {
                page.extend_from_slice(&state_of(key).encode_length_delimited_to_vec());
            }
            Ok(Some((page.freeze(), Some(last))))
        }
    })
}
