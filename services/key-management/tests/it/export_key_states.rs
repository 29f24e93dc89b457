use std::collections::BTreeSet;

use actix_web::test::TestRequest;
use bytes::{Buf as _, Bytes};
use maas_events::state::KeyState;
use prost::Message as _;
use serde_json::json;

use crate::world::{Answer, INTERNAL_TOKEN, Place, World};

on_both_databases! {
    the_export_holds_every_key
    the_export_is_for_services_only
}

const PATH: &str = "/internal/v1/state/keys";

async fn export(world: &World) -> Vec<KeyState> {
    let request = TestRequest::get().uri(PATH).insert_header(("authorization", format!("Bearer {INTERNAL_TOKEN}")));
    let answer: Answer = world.call(request).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers.get("content-type").unwrap(), "application/x-protobuf; delimited=true");
    let (mut rest, mut states): (Bytes, Vec<KeyState>) = (answer.bytes, Vec::new());
    while rest.has_remaining() {
        states.push(KeyState::decode_length_delimited(&mut rest).unwrap());
    }
    states
}

async fn the_export_holds_every_key(world: World) {
    assert!(export(&world).await.is_empty());
    let (one, _) = world.create(world.user(), json!({"name": "one", "models": ["bge-m3"]})).await;
    let (two, _) = world.create(world.user(), json!({"name": "two"})).await;
    let mut states = export(&world).await;
    states.sort_by(|one, other| one.name.cmp(&other.name));
    assert_eq!(states, [world.published(&one, 1).await, world.published(&two, 1).await]);
}

async fn the_export_is_for_services_only(world: World) {
    let admin = world.admin();
    assert_eq!(world.get(admin, PATH).await.status, 401);
    assert_eq!(world.call(TestRequest::get().uri(PATH)).await.status, 401);
}

#[actix_web::test]
async fn an_export_of_several_pages_is_complete() {
    let world = World::on_postgres().await;
    world.create(world.user(), json!({"name": "one"})).await;
    let Place::Postgres(database) = &world.place else { panic!("not Postgres") };
    let copies = "INSERT INTO key_management.keys (id, version, public_id, secret_mac, pepper_version, name, \
         description, owner_id, all_models, labels, status, created_at, updated_at) \
         SELECT gen_random_uuid(), version, lpad(n::text, 16, '0'), secret_mac, pepper_version, name, description, \
         owner_id, all_models, labels, status, created_at, updated_at \
         FROM key_management.keys, generate_series(1, 1100) AS n";
    database.execute(copies).unwrap();
    let states = export(&world).await;
    let distinct: BTreeSet<_> = states.iter().map(|state| state.public_id.clone()).collect();
    assert_eq!((states.len(), distinct.len()), (1_101, 1_101));
}
