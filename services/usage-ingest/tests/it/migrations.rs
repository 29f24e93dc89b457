//! The schema goes up, down and up again.

use maas_store::StoreError;
use maas_usage_ingest::{Migrator, check_schema, migrate};
use sea_orm_migration::MigratorTrait as _;

use crate::{
    producer::{event, source},
    world::{Engine, World, now, on_both_databases},
};

on_both_databases! { migrations_run_up_down_up }

async fn migrations_run_up_down_up(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    world.deliver_events(&source(1), vec![event(1, now())]).await;
    Migrator::down(world.database.writer(), None).await.unwrap();
    assert!(matches!(check_schema(&world.database).await, Err(StoreError::SchemaOutdated(1))));
    migrate(&world.database).await.unwrap();
    check_schema(&world.database).await.unwrap();
    assert_eq!(world.event_count().await, 0);
}
