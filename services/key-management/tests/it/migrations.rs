use maas_key_management::{Migrator, check_schema, migrate};
use maas_store::StoreError;
use maas_testkit::Postgres;
use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement};
use sea_orm_migration::MigratorTrait as _;

use crate::world::Place;

async fn run_up_down_up(place: Place) {
    let database = place.connect().await;
    assert!(matches!(check_schema(&database).await, Err(StoreError::SchemaOutdated(_))));
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

async fn labels_of_before_are_found_as_rows(place: Place) {
    let database = place.connect().await;
    migrate(&database).await.unwrap();
    let added_since = Migrator::migrations().len() - 2;
    Migrator::down(database.writer(), Some(u32::try_from(added_since).unwrap())).await.unwrap();
    let id = if database.backend() == DatabaseBackend::Postgres {
        "'019a9c3b-5f0e-7c42-a1d3-8b6f0c9e4a57'"
    } else {
        "X'019a9c3b5f0e7c42a1d38b6f0c9e4a57'"
    };
    let mac = if database.backend() == DatabaseBackend::Postgres { "'\\x01'" } else { "X'01'" };
    let insert = format!(
        "INSERT INTO keys (id, version, public_id, secret_mac, pepper_version, name, description, owner_id, all_models, \
         labels, status, created_at, updated_at) VALUES ({id}, 1, '0123456789abcdef', {mac}, 1, 'x', '', {id}, TRUE, \
         '{{\"a\":\"x \\\"y\\\"\",\"b\":\"2\"}}', 'active', 1, 1)"
    );
    database.writer().execute_unprepared(&insert).await.unwrap();
    migrate(&database).await.unwrap();
    let select = "SELECT label || '=' || value AS pair FROM key_labels ORDER BY label";
    let rows = database.reader().query_all_raw(Statement::from_string(database.backend(), select)).await.unwrap();
    let pairs: Vec<String> = rows.iter().map(|row| row.try_get("", "pair").unwrap()).collect();
    assert_eq!(pairs, ["a=x \"y\"", "b=2"]);
}

#[actix_web::test]
async fn labels_of_before_are_found_as_rows_on_sqlite() {
    labels_of_before_are_found_as_rows(Place::Sqlite(tempfile::tempdir().unwrap())).await;
}

#[actix_web::test]
async fn labels_of_before_are_found_as_rows_on_postgres() {
    labels_of_before_are_found_as_rows(Place::Postgres(Postgres::shared().await.unwrap().database().await.unwrap()))
        .await;
}
