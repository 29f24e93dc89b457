//! The first load of a new proxy: every value of a state bucket, in pages, so that memory stays bounded on both sides.

use actix_web::HttpResponse;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use maas_store::{Database, StoreError};
use prost::encoding::encode_varint;
use uuid::Uuid;

use crate::service::told::Told;

/// Length-delimited messages. A fault in the middle cuts the connection without the final chunk, which the client must
/// notice: what it has is not everything.
pub fn export(told: Told, database: &Database) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/x-protobuf; delimited=true")
        .streaming(Box::pin(pages(told, database.clone())))
}

fn pages(told: Told, database: Database) -> impl Stream<Item = Result<Bytes, StoreError>> {
    stream::try_unfold(None::<Uuid>, move |after| {
        let database = database.clone();
        async move {
            let values = told.page(&database, after).await?;
            let Some(last) = values.last().map(|value| value.id) else { return Ok(None) };
            let mut page = BytesMut::new();
            for told in &values {
                encode_varint(told.value.len() as u64, &mut page);
                page.extend_from_slice(&told.value);
            }
            Ok(Some((page.freeze(), Some(last))))
        }
    })
}
