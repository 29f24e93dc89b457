use maas_key_management::{Migrator, check_schema, migrate};
use maas_store::StoreError;
use maas_testkit::Postgres;
use sea_orm_migration::MigratorTrait as _;

use crate::world::Place;

async fn run_up_down_up(place: Place) {
    let database = place.connect().await;
    assert!(matches!(check_schema(&database).await, Err(StoreError::SchemaOutdated(2))));
    migrate(&database).await.unwrap();
    check_schema(&database).await.unwrap();
    Migrator::down(database.writer(), None).await.unwrap();
    assert!(check_schema(&database).await.is_err());
    migrate(&database).await.unwrap();
    migrate(&database).await.unwrap();
    check_schema(&database).await.unwrap();
}

#[actix_web::test]
async fn migrations_run_up_down_up_on_sqlite() {
    run_up_down_up(Place::Sqlite(tempfile::tempdir().unwrap())).await;
}

#[actix_web::test]
async fn migrations_run_up_down_up_on_postgres() {
    run_up_down_up(Place::Postgres(Postgres::shared().await.unwrap().database().await.unwrap())).await;
}
