//! A service of the test's own: database, bus, clock.

use std::{sync::Arc, time::Duration};

use maas_bus::{InProcessBus, SharedBus};
use maas_events::{
    topic::WATERMARK_QUERY_SUBJECT,
    usage::{Watermark, WatermarkQuery, Watermarks},
};
use maas_runtime::process::Process;
use maas_store::{ConnectOptions, Database, DatabaseUrl};
use maas_testkit::{Postgres, TestDatabase};
use maas_types::{FixedClock, Timestamp};
use maas_usage_ingest::{SCHEMA, UsageIngest, UsageIngestSettings, store};
use prost::Message as _;
use sea_orm::{ConnectionTrait as _, EntityTrait as _, PaginatorTrait as _, QueryOrder as _};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// The same test on both databases.
macro_rules! on_both_databases {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[actix_web::test] async fn $name() { super::$name($crate::world::Engine::Sqlite).await; })*
        }
        mod postgres {
            $(#[actix_web::test] async fn $name() { super::$name($crate::world::Engine::Postgres).await; })*
        }
    };
}
pub(crate) use on_both_databases;

/// Where the data lives; dropped after everything that uses it.
pub enum Home {
    Folder(tempfile::TempDir),
    Postgres(TestDatabase),
}

impl Home {
    pub async fn new(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::Folder(tempfile::tempdir().unwrap()),
            Engine::Postgres => Self::Postgres(Postgres::shared().await.unwrap().database().await.unwrap()),
        }
    }

    pub async fn connect(&self) -> Database {
        let url = match self {
            Self::Folder(folder) => DatabaseUrl::Sqlite(folder.path().join("usage.db")),
            Self::Postgres(database) => DatabaseUrl::Postgres(database.url().to_owned()),
        };
        Database::connect(&ConnectOptions { url, schema: SCHEMA, max_connections: 4 }).await.unwrap()
    }
}

pub struct World {
    pub database: Database,
    pub bus: SharedBus,
    pub clock: Arc<FixedClock>,
    pub process: Process,
    pub home: Arc<Home>,
}

/// A Friday morning, seven minutes after a quarter.
pub fn now() -> Timestamp {
    "2026-11-20T09:37:00Z".parse().unwrap()
}

/// Every sum that the service keeps, row by row.
#[derive(Debug, PartialEq, Eq)]
pub struct Books {
    pub ledger: Vec<store::ledger::Model>,
    pub rollups: Vec<store::rollup::Model>,
    pub key_uses: Vec<store::key_use::Model>,
}

impl World {
    /// Migrated, with nothing consuming yet.
    pub async fn idle(engine: Engine) -> Self {
        Self::in_home(Home::new(engine).await).await
    }

    pub async fn in_home(home: Home) -> Self {
        let home = Arc::new(home);
        let database = home.connect().await;
        maas_usage_ingest::migrate(&database).await.unwrap();
        Self::at(home, database)
    }

    pub async fn started(engine: Engine) -> (Self, UsageIngest) {
        let world = Self::idle(engine).await;
        let service = world.start().await;
        (world, service)
    }

    /// Another process with the same data and a bus of its own.
    pub async fn beside(&self) -> Self {
        Self::at(self.home.clone(), self.home.connect().await)
    }

    pub fn on_bus(self, bus: SharedBus) -> Self {
        Self { bus, ..self }
    }

    fn at(home: Arc<Home>, database: Database) -> Self {
        let clock = Arc::new(FixedClock::at(now()));
        let mut process = Process::new().unwrap();
        process.clock = clock.clone();
        Self { database, bus: Arc::new(InProcessBus::new()), clock, process, home }
    }

    pub async fn start(&self) -> UsageIngest {
        let settings = UsageIngestSettings::default();
        UsageIngest::start(settings, self.database.clone(), self.bus.clone(), &self.process).await.unwrap()
    }

    pub async fn execute(&self, sql: &str) {
        self.database.writer().execute_unprepared(sql).await.unwrap();
    }

    pub async fn event_count(&self) -> u64 {
        store::event_row::Entity::find().count(self.database.reader()).await.unwrap()
    }

    /// Oldest source and sequence first.
    pub async fn quarantined(&self) -> Vec<store::quarantine::Model> {
        let mut rows = store::quarantine::Entity::find().all(self.database.reader()).await.unwrap();
        rows.sort_by_key(|row| (row.source.clone(), row.first_sequence));
        rows
    }

    pub async fn books(&self) -> Books {
        let db = self.database.reader();
        let mut ledger = store::ledger::Entity::find().all(db).await.unwrap();
        ledger.sort_by_key(|row| (row.month, row.user_id, row.key_id, row.model.clone(), row.currency.clone()));
        let mut rollups = store::rollup::Entity::find().all(db).await.unwrap();
        rollups.sort_by_key(|row| {
            (row.bucket_start, row.user_id, row.key_id, row.model.clone(), row.outcome.clone(), row.currency.clone())
        });
        let key_uses =
            store::key_use::Entity::find().order_by_asc(store::key_use::Column::KeyId).all(db).await.unwrap();
        Books { ledger, rollups, key_uses }
    }

    /// What the service answers about one source.
    pub async fn watermark(&self, source: &str) -> Option<Watermark> {
        let query = WatermarkQuery { sources: vec![source.to_owned()] }.encode_to_vec();
        let answer = self.bus.ask(WATERMARK_QUERY_SUBJECT, query.into(), Duration::from_secs(10)).await.unwrap();
        Watermarks::decode(answer).unwrap().sources.pop()
    }
}
