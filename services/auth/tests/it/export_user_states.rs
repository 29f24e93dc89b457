use std::collections::BTreeMap;

use actix_web::http::Method;
use bytes::{Buf as _, Bytes};
use maas_events::state::UserState;
use maas_types::UserId;
use prost::Message as _;

use crate::world::{As, INTERNAL_TOKEN, World, on_both_databases};

on_both_databases! {
    the_export_holds_every_user_and_is_for_services_only,
}

const PATH: &str = "/internal/v1/state/users";

async fn export(world: &World) -> Vec<UserState> {
    let service = As::Token(INTERNAL_TOKEN.to_owned());
    let (status, headers, mut rest): (_, _, Bytes) = world.exchange(world.request(Method::GET, PATH, &service)).await;
    assert_eq!(status, 200);
    assert_eq!(headers.get("content-type").unwrap(), "application/x-protobuf; delimited=true");
    let mut states = Vec::new();
    while rest.has_remaining() {
        states.push(UserState::decode_length_delimited(&mut rest).unwrap());
    }
    states
}

async fn the_export_holds_every_user_and_is_for_services_only(world: World) {
    // A person has changed their password once; the first admin is as created.
    let (ada, _) = world.person("ada", "user").await;
    let (bob, _) = world.person("bob", "admin").await;
    let bytes = |id: UserId| Bytes::copy_from_slice(id.uuid().as_bytes());
    let wanted = BTreeMap::from([
        (bytes(world.admin.user_id), (1, "admin".to_owned())),
        (bytes(ada.parse().unwrap()), (2, "user".to_owned())),
        (bytes(bob.parse().unwrap()), (2, "admin".to_owned())),
    ]);
    let states = export(&world).await;
    assert_eq!(states.len(), 3);
    let listed: BTreeMap<_, _> = states.into_iter().map(|state| (state.id, (state.version, state.role))).collect();
    assert_eq!(listed, wanted);

    // Neither nobody nor an admin is a service.
    assert_eq!(world.get(PATH, &As::Nobody).await.status, 401);
    assert_eq!(world.get(PATH, &world.admin().await).await.status, 401);
}
