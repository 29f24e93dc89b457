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
use maas_usage_ingest::{
    SCHEMA, UsageIngest, UsageIngestSettings,
    domain::period::MonthClosing,
    store::{
        self,
        sums::{DAILY, LEDGER, OVERVIEW, OVERVIEW_DAILY, OVERVIEW_HOURLY, ROLLUPS},
    },
};
use prost::Message as _;
use sea_orm::{ConnectionTrait as _, EntityTrait as _, PaginatorTrait as _, QueryOrder as _};

use crate::sums::{self, SumRow};

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

    /// SQLite where it needs no disk.
    pub async fn in_memory(engine: Engine) -> Self {
        match (engine, tempfile::tempdir_in("/dev/shm")) {
            (Engine::Sqlite, Ok(folder)) => Self::Folder(folder),
            _ => Self::new(engine).await,
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

/// Months close ten days after their end.
pub fn closing() -> MonthClosing {
    UsageIngestSettings::default().month_closing()
}

/// Every sum that the service keeps, row by row, in the order of the keys.
#[derive(Debug, PartialEq, Eq)]
pub struct Books {
    pub ledger: Vec<SumRow>,
    pub rollups: Vec<SumRow>,
    pub daily: Vec<SumRow>,
    pub overview: Vec<SumRow>,
    pub overview_hourly: Vec<SumRow>,
    pub overview_daily: Vec<SumRow>,
    pub key_uses: Vec<store::key_use::Model>,
}

impl Books {
    /// What does not depend on the way that usage came: without latencies, which are those of the content that came first,
    /// and without rows that sum up to nothing.
    pub fn measures(mut self) -> Self {
        let overviews = [&mut self.overview, &mut self.overview_hourly, &mut self.overview_daily];
        for table in [&mut self.ledger, &mut self.rollups, &mut self.daily].into_iter().chain(overviews) {
            table.retain(|row| !row.measures.is_zero());
            table.iter_mut().for_each(|row| row.bins.clear());
        }
        self
    }
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
        Self::in_shared_home(self.home.clone()).await
    }

    /// In data that others use, too, and that are migrated already.
    pub async fn in_shared_home(home: Arc<Home>) -> Self {
        let database = home.connect().await;
        Self::at(home, database)
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
        let key_uses =
            store::key_use::Entity::find().order_by_asc(store::key_use::Column::KeyId).all(db).await.unwrap();
        Books {
            ledger: sums::rows_of(db, &LEDGER).await,
            rollups: sums::rows_of(db, &ROLLUPS).await,
            daily: sums::rows_of(db, &DAILY).await,
            overview: sums::rows_of(db, &OVERVIEW).await,
            overview_hourly: sums::rows_of(db, &OVERVIEW_HOURLY).await,
            overview_daily: sums::rows_of(db, &OVERVIEW_DAILY).await,
            key_uses,
        }
    }

    /// What the service answers about one source.
    pub async fn watermark(&self, source: &str) -> Option<Watermark> {
        let query = WatermarkQuery { sources: vec![source.to_owned()] }.encode_to_vec();
        let answer = self.bus.ask(WATERMARK_QUERY_SUBJECT, query.into(), Duration::from_secs(10)).await.unwrap();
        Watermarks::decode(answer).unwrap().sources.pop()
    }
}
