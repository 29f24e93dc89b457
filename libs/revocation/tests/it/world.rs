//! A database with the tables, an owner of things, and proxies that say what they are told to say.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use maas_bus::{InProcessBus, SharedBus};
use maas_events::{
    Bucket,
    revocation::{FollowedOwner, ProxyHeartbeat, Revocations},
    topic::PROXIES_SUBJECT,
};
use maas_revocation::{
    Mark, OwnerName, RevocationQuery,
    owner::{self, Confirmation, RevocationOwner, RevokedValue, RevokedValues},
};
use maas_runtime::process::Process;
use maas_store::{ConnectOptions, Database, DatabaseUrl, StoreError, migrate};
use maas_testkit::{
    eventually,
    postgres::{Postgres, TestDatabase},
};
use maas_types::{Clock as _, FixedClock, SystemClock};
use prost::Message as _;
use sea_orm_migration::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

pub const PATIENCE: Duration = Duration::from_secs(20);
const SCHEMA: &str = "revocation_test";

struct Migrator;

#[async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Create)]
    }
}

struct Create;

impl MigrationName for Create {
    fn name(&self) -> &'static str {
        "m20261124_000001_create"
    }
}

#[async_trait]
impl MigrationTrait for Create {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        owner::create_tables(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        owner::drop_tables(manager).await
    }
}

/// Every subject has a row: its own bytes.
struct Echo;

#[async_trait]
impl RevokedValues for Echo {
    async fn read(&self, subjects: &[Uuid]) -> Result<Vec<RevokedValue>, StoreError> {
        let value = |subject: &Uuid| Bytes::copy_from_slice(subject.as_bytes());
        let values = subjects.iter().map(|subject| RevokedValue {
            subject: *subject,
            bucket: Bucket::Keys,
            value: value(subject),
        });
        Ok(values.collect())
    }
}

pub struct World {
    pub database: Database,
    pub bus: SharedBus,
    pub owner: RevocationOwner,
    pub clock: Arc<FixedClock>,
    process: Process,
    _folder: TempDir,
    _postgres: Option<TestDatabase>,
}

impl World {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().join("test.db"));
        Self::on(url, folder, None).await
    }

    pub async fn postgres() -> Self {
        let postgres = Postgres::shared().await.unwrap().database().await.unwrap();
        let url = DatabaseUrl::parse(postgres.url()).unwrap();
        Self::on(url, tempfile::tempdir().unwrap(), Some(postgres)).await
    }

    async fn on(url: DatabaseUrl, folder: TempDir, postgres: Option<TestDatabase>) -> Self {
        let options = ConnectOptions { url, schema: SCHEMA, max_connections: 5 };
        let database = Database::connect(&options).await.unwrap();
        migrate::<Migrator>(&database, SCHEMA).await.unwrap();
        let clock = Arc::new(FixedClock::at(SystemClock.now()));
        let bus: SharedBus = Arc::new(InProcessBus::new());
        let process = Process { clock: clock.clone(), ..Process::new().unwrap() };
        let owner = replica(&database, &clock);
        owner.start(&bus, &process).await.unwrap();
        Self { database, bus, owner, clock, process, _folder: folder, _postgres: postgres }
    }

    /// Another process of the same owner. It hears of the proxies only what the database says.
    pub fn deaf_replica(&self) -> RevocationOwner {
        replica(&self.database, &self.clock)
    }

    /// In a transaction of its own.
    pub async fn revoke(&self, subjects: &[Uuid]) -> Mark {
        let transaction = self.database.begin().await.unwrap();
        let mark = owner::record(&transaction, subjects, self.clock.now()).await.unwrap();
        transaction.commit().await.unwrap();
        mark
    }

    pub async fn confirmation(&self, mark: Mark) -> Confirmation {
        self.owner.fleet().wait_for(mark, Duration::from_millis(300)).await
    }

    /// What a proxy is answered that has taken over so much.
    pub async fn asked(&self, applied: Option<Mark>) -> Revocations {
        self.owner.answer(&query(1, applied)).await
    }

    /// A heartbeat of a proxy, again until it was heard: nothing is kept for who does not listen yet.
    pub async fn beat(&self, proxy: u128, applied: Mark) {
        // Nobody has reached this, so that whoever was heard of is named.
        let unreached = Mark { counter: u64::MAX, ..applied };
        eventually(PATIENCE, || async {
            self.tell(heartbeat(proxy, applied)).await;
            let known = self.owner.fleet().wait_for(unreached, Duration::ZERO).await;
            known.pending.iter().any(|pending| pending.instance == name(proxy)).then_some(())
        })
        .await;
    }

    pub async fn tell(&self, heartbeat: ProxyHeartbeat) {
        self.bus.broadcast(PROXIES_SUBJECT, heartbeat.encode_to_vec().into()).await.unwrap();
    }

    pub async fn stop(&self) {
        self.process.lifecycle.stop();
        self.process.lifecycle.stopped(PATIENCE).await.unwrap();
    }
}

fn replica(database: &Database, clock: &Arc<FixedClock>) -> RevocationOwner {
    RevocationOwner::new(OwnerName::Keys, database.clone(), clock.clone(), Echo)
}

pub fn heartbeat(proxy: u128, applied: Mark) -> ProxyHeartbeat {
    let epoch = Bytes::copy_from_slice(applied.epoch.as_bytes());
    ProxyHeartbeat {
        instance: Bytes::copy_from_slice(Uuid::from_u128(proxy).as_bytes()),
        boot: Bytes::from_static(&[1; 16]),
        owners: vec![FollowedOwner { owner: "keys".to_owned(), epoch, applied: applied.counter }],
        max_unconfirmed_ms: 900_000,
        leaving: false,
    }
}

pub fn query(proxy: u128, applied: Option<Mark>) -> RevocationQuery {
    RevocationQuery {
        instance: Uuid::from_u128(proxy),
        boot: Uuid::from_bytes([1; 16]),
        epoch: applied.map(|mark| mark.epoch),
        after: applied.map_or(0, |mark| mark.counter),
        max_unconfirmed_ms: 900_000,
    }
}

pub fn name(proxy: u128) -> String {
    Uuid::from_u128(proxy).simple().to_string()
}

pub fn subjects(count: u128) -> Vec<Uuid> {
    (1..=count).map(Uuid::from_u128).collect()
}
