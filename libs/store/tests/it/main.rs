//! The same stories on SQLite and on Postgres.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use maas_events::{Bucket, Delivery};
use maas_store::{
    ConnectOptions, Database, DatabaseUrl, StoreError, check_schema, classify, migrate,
    outbox::{self, OutboxSignal, Relay},
};
use maas_testkit::{
    eventually,
    postgres::{Postgres, TestDatabase},
};
use maas_types::Timestamp;
use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

const SCHEMA: &str = "store_test";

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Create)]
    }
}

struct Create;

impl MigrationName for Create {
    fn name(&self) -> &'static str {
        "m20261120_000001_create"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Create {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        outbox::create_table(manager).await?;
        let table = "CREATE TABLE things (name VARCHAR(20) NOT NULL PRIMARY KEY)";
        manager.get_connection().execute_unprepared(table).await.map(|_| ())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        outbox::drop_table(manager).await?;
        manager.get_connection().execute_unprepared("DROP TABLE things").await.map(|_| ())
    }
}

/// A database of its own; dropped with the test.
struct World {
    database: Database,
    _folder: tempfile::TempDir,
    _postgres: Option<TestDatabase>,
}

async fn sqlite() -> World {
    let folder = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::Sqlite(folder.path().join("test.db"));
    let database = connect(url).await;
    World { database, _folder: folder, _postgres: None }
}

async fn postgres() -> World {
    let test_database = Postgres::shared().await.unwrap().database().await.unwrap();
    let database = connect(DatabaseUrl::parse(test_database.url()).unwrap()).await;
    World { database, _folder: tempfile::tempdir().unwrap(), _postgres: Some(test_database) }
}

async fn connect(url: DatabaseUrl) -> Database {
    Database::connect(&ConnectOptions { url, schema: SCHEMA, max_connections: 5 }).await.unwrap()
}

/// One test for each database.
macro_rules! on_both {
    ($($name:ident => $story:ident;)*) => {$(
        mod $name {
            #[tokio::test]
            async fn on_sqlite() {
                super::$story(super::sqlite().await).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                super::$story(super::postgres().await).await;
            }
        }
    )*};
}

on_both! {
    an_older_schema_is_noticed_and_migrating_twice_is_harmless => schema_story;
    what_was_rolled_back_is_never_delivered => rollback_story;
    what_cannot_be_delivered_stays => retry_story;
    a_second_row_of_one_name_is_a_duplicate => duplicate_story;
}

async fn schema_story(world: World) {
    let database = &world.database;
    assert!(matches!(check_schema::<Migrator>(database).await, Err(StoreError::SchemaOutdated(1))));
    let (one, other) = tokio::join!(migrate::<Migrator>(database, SCHEMA), migrate::<Migrator>(database, SCHEMA));
    one.unwrap();
    other.unwrap();
    check_schema::<Migrator>(database).await.unwrap();

    let transaction = database.begin().await.unwrap();
    Migrator::down(&transaction, None).await.unwrap();
    Migrator::up(&transaction, None).await.unwrap();
    transaction.commit().await.unwrap();
    check_schema::<Migrator>(database).await.unwrap();
}

fn state(key: &str, version: u64) -> Delivery {
    Delivery::State { bucket: Bucket::Keys, key: key.to_owned(), version, value: Bytes::from_static(b"value") }
}

fn message(id: &str) -> Delivery {
    let headers = vec![("traceparent", "00-1-2-01".to_owned())];
    Delivery::Message { subject: "maas.audit.v1".into(), id: id.to_owned(), headers, payload: Bytes::from_static(b"x") }
}

async fn rollback_story(world: World) {
    let database = &world.database;
    migrate::<Migrator>(database, SCHEMA).await.unwrap();
    let now = Timestamp::from_unix_ms(1);
    let transaction = database.begin().await.unwrap();
    outbox::append(&transaction, [state("gone", 1)], now).await.unwrap();
    transaction.rollback().await.unwrap();
    let transaction = database.begin().await.unwrap();
    outbox::append(&transaction, [state("stays", 7), message("one")], now).await.unwrap();
    transaction.commit().await.unwrap();

    let delivered = Mutex::new(Vec::new());
    let deliver = |delivery| {
        delivered.lock().unwrap().push(delivery);
        std::future::ready(Ok::<(), std::io::Error>(()))
    };
    let relay = Relay::new(database.clone(), OutboxSignal::default());
    assert_eq!(relay.drain_once(&deliver).await.unwrap(), 2);
    assert_eq!(relay.drain_once(&deliver).await.unwrap(), 0, "a delivered row must be gone");
    let mut delivered = delivered.into_inner().unwrap();
    delivered.sort_by_key(|delivery| matches!(delivery, Delivery::Message { .. }));
    assert_eq!(delivered, [state("stays", 7), message("one")]);
}

async fn retry_story(world: World) {
    let database = &world.database;
    migrate::<Migrator>(database, SCHEMA).await.unwrap();
    outbox::append(database.writer(), [message("bad"), message("good")], Timestamp::EPOCH).await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let relay = Relay::new(database.clone(), OutboxSignal::default());
    let deliver_if = |healthy: bool| {
        let seen = seen.clone();
        move |delivery: Delivery| {
            let Delivery::Message { id, .. } = delivery else { panic!("only messages were appended") };
            let fails = id == "bad" && !healthy;
            if !fails {
                seen.lock().unwrap().push(id);
            }
            std::future::ready(if fails { Err(std::io::Error::other("bus away")) } else { Ok(()) })
        }
    };
    // The one that fails holds nothing up, and is delivered when the bus is back.
    assert!(relay.drain_once(&deliver_if(false)).await.is_err());
    assert_eq!(*seen.lock().unwrap(), ["good"]);
    assert_eq!(relay.drain_once(&deliver_if(true)).await.unwrap(), 1);
    assert_eq!(*seen.lock().unwrap(), ["good", "bad"]);
}

async fn duplicate_story(world: World) {
    let database = &world.database;
    migrate::<Migrator>(database, SCHEMA).await.unwrap();
    let insert = "INSERT INTO things (name) VALUES ('one')";
    database.writer().execute_unprepared(insert).await.unwrap();
    let error = database.writer().execute_unprepared(insert).await.map_err(classify).unwrap_err();
    assert!(matches!(error, StoreError::Duplicate(_)), "{error:?}");
    assert!(!error.is_transient());
}

/// Neither says anything against the data, so neither may send it to a quarantine.
#[tokio::test]
async fn a_statement_that_took_too_long_and_a_transaction_left_idle_may_be_tried_again() {
    let world = postgres().await;
    let slow = world.database.begin().await.unwrap();
    slow.execute_unprepared("SET LOCAL statement_timeout = '10ms'").await.unwrap();
    let too_long = slow.execute_unprepared("SELECT pg_sleep(60)").await.map_err(classify).unwrap_err();
    assert!(matches!(too_long, StoreError::Unavailable(_)), "{too_long:?}");

    let idle = world.database.begin().await.unwrap();
    idle.execute_unprepared("SET LOCAL idle_in_transaction_session_timeout = '10ms'").await.unwrap();
    let ended = eventually(Duration::from_secs(10), || async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        idle.execute_unprepared("SELECT 1").await.map_err(classify).err()
    })
    .await;
    assert!(matches!(ended, StoreError::Unavailable(_)), "{ended:?}");
}
