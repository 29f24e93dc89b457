use maas_testkit::{Postgres, eventually};
use serde_json::json;

use crate::world::{DEADLINE, Place, World};

#[actix_web::test]
async fn a_lost_database_is_an_outage_and_not_an_error() {
    let postgres = Postgres::start().await.unwrap();
    let world = World::start(Place::Postgres(postgres.database().await.unwrap())).await;
    let user = world.user();
    let (id, _) = world.create(user, json!({"name": "x"})).await;
    let path = format!("/api/v1/keys/{id}");

    postgres.kill().await.unwrap();
    for answer in [world.get(user, &path).await, world.patch(user, &path, json!({"name": "y"})).await] {
        assert_eq!((answer.status.as_u16(), &answer.body["code"]), (503, &json!("unavailable")));
        assert!(answer.headers.contains_key("retry-after"));
        assert!(answer.body["detail"].is_null());
    }
    eventually(DEADLINE, || async { (!world.process.readiness.is_ready()).then_some(()) }).await;

    postgres.restart().await.unwrap();
    eventually(DEADLINE, || async { world.process.readiness.is_ready().then_some(()) }).await;
    assert_eq!(world.get(user, &path).await.body["name"], json!("x"));
    assert_eq!(world.patch(user, &path, json!({"name": "y"})).await.status, 200);
}

#[actix_web::test]
async fn without_the_bus_keys_are_managed_but_the_process_is_not_ready() {
    let world = World::on_sqlite().await;
    world.bus.switch(false);
    eventually(DEADLINE, || async { (!world.process.readiness.is_ready()).then_some(()) }).await;
    let names: Vec<_> = world.process.readiness.snapshot().into_iter().filter(|check| check.state.is_err()).collect();
    assert_eq!(names.iter().map(|check| check.name.as_str()).collect::<Vec<_>>(), ["keys.bus"]);
    world.create(world.user(), json!({"name": "x"})).await;
}
