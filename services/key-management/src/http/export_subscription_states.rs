//! The first load of a new proxy: every subscription's state value, in pages, so that memory stays bounded on both
//! sides.

use actix_web::{HttpResponse, get, web};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use maas_store::{Database, StoreError};
use maas_types::SubscriptionId;
use maas_web::internal::FromService;
use prost::Message as _;

use crate::{access_events::subscription_state, service::KeyService, store};

const PAGE: u64 = 500;

/// Length-delimited `SubscriptionState` messages. A fault in the middle cuts the connection without the final chunk,
/// which the client must notice: what it has is not everything.
#[get("/internal/v1/state/subscriptions")]
pub async fn export_subscription_states(_: FromService, service: web::Data<KeyService>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/x-protobuf; delimited=true")
        .streaming(Box::pin(pages(service.database.clone())))
}

fn pages(database: Database) -> impl Stream<Item = Result<Bytes, StoreError>> {
    stream::try_unfold(None::<SubscriptionId>, move |after| {
        let database = database.clone();
        async move {
            let subscriptions = store::subscription_page::walk(database.reader(), after, PAGE).await?;
            let Some(last) = subscriptions.last().map(|subscription| subscription.id) else { return Ok(None) };
            let mut page = BytesMut::new();
            for subscription in &subscriptions {
                page.extend_from_slice(&subscription_state(subscription).encode_length_delimited_to_vec());
            }
            Ok(Some((page.freeze(), Some(last))))
        }
    })
}
