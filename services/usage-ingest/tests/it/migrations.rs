//! The schema goes up, down and up again.

use std::time::Duration;

use maas_events::usage::UsageEvent;
use maas_store::StoreError;
use maas_usage_ingest::{Migrator, check_schema, migrate};
use sea_orm_migration::MigratorTrait as _;

use crate::{
    producer::{event, of_user, source},
    world::{Engine, World, now, on_both_databases},
};

on_both_databases! {
    migrations_run_up_down_up
    new_sums_are_filled_from_what_was_booked_before
}

async fn migrations_run_up_down_up(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    world.deliver_events(&source(1), vec![event(1, now())]).await;
    Migrator::down(world.database.writer(), None).await.unwrap();
    assert!(matches!(check_schema(&world.database).await, Err(StoreError::SchemaOutdated(_))));
    migrate(&world.database).await.unwrap();
    check_schema(&world.database).await.unwrap();
    assert_eq!(world.event_count().await, 0);
}

/// Back to the first version, and forth again: nothing but its own rows is known.
async fn new_sums_are_filled_from_what_was_booked_before(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    let list = (1..=30).map(|sequence| {
        let event = event(sequence, now().minus(Duration::from_secs(sequence * 4_000)));
        UsageEvent { completed_us: Some(sequence * 90_000), first_byte_us: None, ..of_user(sequence.into(), event) }
    });
    world.deliver_events(&source(1), list.collect()).await;
    let books = world.books().await;
    assert!(books.overview.len() > 20 && books.overview_hourly.len() > 20 && books.daily.len() == 30);

    let newer = u32::try_from(Migrator::migrations().len() - 1).unwrap();
    Migrator::down(world.database.writer(), Some(newer)).await.unwrap();
    migrate(&world.database).await.unwrap();
    assert_eq!(world.books().await, books);
}
