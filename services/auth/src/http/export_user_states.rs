//! The first load of a new proxy: every user's state value, in pages, so that memory stays bounded on both sides.

use actix_web::{HttpResponse, get, web};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use maas_store::{Database, StoreError};
use maas_types::UserId;
use maas_web::internal::FromService;
use prost::Message as _;

use crate::{app::AuthState, events::state_of, store};

const PAGE: u64 = 500;

/// Length-delimited `UserState` messages. A fault in the middle cuts the connection without the final chunk, which
/// the client must notice: what it has is not everything.
#[get("/internal/v1/state/users")]
pub async fn export_user_states(_: FromService, state: web::Data<AuthState>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/x-protobuf; delimited=true")
        .streaming(Box::pin(pages(state.core().database.clone())))
}

fn pages(database: Database) -> impl Stream<Item = Result<Bytes, StoreError>> {
    stream::try_unfold(None::<UserId>, move |after| {
        let database = database.clone();
        async move {
            let users = store::user::batch_after(database.reader(), after, PAGE).await?;
            let Some(last) = users.last().map(|user| user.id) else { return Ok(None) };
            let mut page = BytesMut::new();
            for user in &users {
                page.extend_from_slice(&state_of(user).encode_length_delimited_to_vec());
            }
            Ok(Some((page.freeze(), Some(last))))
        }
    })
}
