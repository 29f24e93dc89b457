use std::time::Duration;

use maas_bus::{Bus as _, BusError};
use maas_events::{
    state::{KeyLookup, KeyLookupAnswer},
    topic::KEY_LOOKUP_SUBJECT,
};
use prost::Message as _;
use sea_orm::ConnectionTrait as _;
use serde_json::json;

use crate::world::World;

on_both_databases! {
    a_proxy_may_ask_for_a_key_by_its_public_id
    a_failing_database_never_answers_that_there_is_no_such_key
}

async fn ask(world: &World, public_id: &str, timeout: Duration) -> Result<KeyLookupAnswer, BusError> {
    let question = KeyLookup { public_id: public_id.to_owned() }.encode_to_vec().into();
    let answer = world.bus.ask(KEY_LOOKUP_SUBJECT, question, timeout).await?;
    Ok(KeyLookupAnswer::decode(answer).unwrap())
}

async fn a_proxy_may_ask_for_a_key_by_its_public_id(world: World) {
    let (id, secret) = world.create(world.user(), json!({"name": "x"})).await;
    let patience = Duration::from_secs(10);
    let found = ask(&world, &secret[8..24], patience).await.unwrap().key.unwrap();
    assert_eq!(found, world.published(&id, 1).await);
    assert!(ask(&world, "0000000000000000", patience).await.unwrap().key.is_none());
    assert!(ask(&world, "'; DROP TABLE keys", patience).await.unwrap().key.is_none());
}

async fn a_failing_database_never_answers_that_there_is_no_such_key(world: World) {
    let (_, secret) = world.create(world.user(), json!({"name": "x"})).await;
    world.database.writer().execute_unprepared("ALTER TABLE keys RENAME TO lost_keys").await.unwrap();
    let answer = ask(&world, &secret[8..24], Duration::from_millis(300)).await;
    assert!(matches!(answer, Err(BusError::NoAnswer(_))), "{answer:?}");
}
