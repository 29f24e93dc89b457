//! What a new proxy learns from the owners of the state, beside the bus.

use std::net::SocketAddr;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use maas_events::revocation::Revocations;
use maas_keys::PlainKey;
use maas_proxy::settings::StateSources;
use maas_revocation::RevocationQuery;
use maas_runtime::config::Secret;
use prost::Message as _;

use crate::{
    fixtures,
    world::{CHAT, World, chat_body},
};

const TOKEN: &str = "an internal token of thirty-two bytes or more";

/// An owner of keys: answers with these bytes whoever has the token.
fn owner_of_keys(answer: Vec<u8>) -> SocketAddr {
    let server = HttpServer::new(move || {
        let answer = answer.clone();
        let states = move |request: HttpRequest| {
            let presented = request.headers().get("authorization").map(|value| value.as_bytes().to_vec());
            let answer = answer.clone();
            async move {
                match presented.as_deref() == Some(format!("Bearer {TOKEN}").as_bytes()) {
                    true => HttpResponse::Ok().body(answer),
                    false => HttpResponse::Unauthorized().finish(),
                }
            }
        };
        App::new()
            .route("/internal/v1/state/keys", web::get().to(states))
            .route("/internal/v1/revocations", web::get().to(no_revocations))
    });
    let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let address = server.addrs()[0];
    tokio::spawn(server.run());
    address
}

/// Nothing was ever revoked; who does not know that yet has to load everything.
async fn no_revocations(query: web::Query<RevocationQuery>) -> HttpResponse {
    let epoch = bytes::Bytes::from_static(&[7; 16]);
    let reload = query.epoch.is_none();
    let told = Revocations { owner: "keys".to_owned(), epoch, reload, ..Revocations::default() };
    HttpResponse::Ok().body(told.encode_to_vec())
}

async fn world_with_owner(address: SocketAddr) -> World {
    World::with_settings(move |settings| {
        settings.state_sources = StateSources {
            key_management_url: format!("http://{address}"),
            internal_token: Secret::new(TOKEN),
            ..StateSources::default()
        };
    })
    .await
}

#[tokio::test]
async fn keys_come_from_their_owner_too() {
    let key = PlainKey::generate().unwrap();
    let known_by_owner = fixtures::key_state(&key).encode_length_delimited_to_vec();
    let world = world_with_owner(owner_of_keys(known_by_owner)).await;
    let body = chat_body("chat", "").to_string();
    let request = world.request("POST", CHAT).key(key.expose()).body(body);
    world.eventually_answers(request, |answer| answer.status == 200).await;
}

#[tokio::test]
async fn an_owner_that_breaks_off_or_lies_stops_nothing() {
    let key = PlainKey::generate().unwrap();
    let mut torn = fixtures::key_state(&key).encode_length_delimited_to_vec();
    torn.truncate(torn.len() - 1);
    for answer in [torn, vec![0xff; 64], Vec::new()] {
        let world = world_with_owner(owner_of_keys(answer)).await;
        assert_eq!(world.chat("chat", "").send().await.status, 200);
    }
}
