//! Hours (UTC) without key and user: days of other zones are moved by whole hours, and hours are four times fewer rows
//! than quarter hours.
//!
//! Guarantee: when this step commits, the new table holds the sums of everything that was booked before. It is made from
//! the quarter hours, which are of the same columns and complete, under the ingest's lock: messages wait and come after
//! it. That takes about ten seconds for each million rows of `usage_overview`, and a third of their room.
//!
//! It only adds. An ingest of before would not fill the new table, but none that was released can book beside it: the
//! second step, of the same release, keeps them out. Builds from between the two are stopped before this one.

use sea_orm::DatabaseBackend;
use sea_orm_migration::{prelude::*, schema::*};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261124_000005_hourly_overview"
    }
}

const TABLE: &str = "usage_overview_hourly";
/// The start of the hour, in milliseconds.
const TIME: &str = "bucket_start";
const HOUR_MS: i64 = 3_600_000;

const IDS: [&str; 2] = ["team_id", "organisation_id"];
const TEXTS: [&str; 6] = ["cost_centre", "model", "upstream", "operation", "outcome", "currency"];
const MEASURES: [&str; 11] = [
    "requests",
    "unpriced_requests",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_input_tokens",
    "audio_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "audio_output_tokens",
    "images",
    "cost_nanos",
];
const HISTOGRAMS: [&str; 2] = ["d", "f"];
const BINS: usize = 24;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        if backend == DatabaseBackend::Postgres {
            // That of `store::lock`: whoever books waits until this transaction ends.
            let lock = "SELECT pg_advisory_xact_lock(hashtext('maas-usage-ingest'), 0)";
            manager.get_connection().execute_unprepared(lock).await?;
        }
        manager.create_table(hours(backend)).await?;
        let by_team =
            Index::create().name("usage_overview_hourly_by_team").table(TABLE).col("team_id").col(TIME).to_owned();
        manager.create_index(by_team).await?;
        manager.get_connection().execute_unprepared(&fill()).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(TABLE).to_owned()).await
    }
}

/// As the quarter hours: the key is the time and all dimensions, in this order.
fn hours(backend: DatabaseBackend) -> TableCreateStatement {
    let mut table = Table::create();
    let mut primary_key = Index::create();
    table.table(TABLE).col(big_integer(TIME));
    primary_key.col(TIME);
    for column in IDS {
        table.col(uuid(column));
        primary_key.col(column);
    }
    for column in TEXTS {
        table.col(text(column));
        primary_key.col(column);
    }
    for column in MEASURES {
        table.col(big_integer(column));
        if backend == DatabaseBackend::Sqlite {
            // SQLite turns an integer overflow into a floating-point number without a word; refuse it, as Postgres does.
            table.check(Expr::cust(format!("typeof(\"{column}\") = 'integer'")));
        }
    }
    for column in bins() {
        table.col(integer(Alias::new(column)));
    }
    table.primary_key(&mut primary_key).to_owned()
}

/// Raw, since the builder has no words for copying sums between tables. In the order of time, as rows come later, so that
/// a stretch of time lies together on the disk.
fn fill() -> String {
    let dimensions = [&IDS[..], &TEXTS].concat().join(", ");
    let columns: Vec<_> = MEASURES.iter().map(|measure| (*measure).to_owned()).chain(bins()).collect();
    let measures = MEASURES.iter().map(|measure| format!("CAST(SUM({measure}) AS BIGINT)"));
    let sums: Vec<_> = measures.chain(bins().map(|bin| format!("CAST(SUM({bin}) AS INTEGER)"))).collect();
    format!(
        "INSERT INTO {TABLE} ({TIME}, {dimensions}, {columns}) SELECT hour, {dimensions}, {sums} FROM (\
         SELECT {TIME} / {HOUR_MS} * {HOUR_MS} AS hour, {dimensions}, {columns} FROM usage_overview\
         ) AS quarters GROUP BY hour, {dimensions} ORDER BY hour",
        columns = columns.join(", "),
        sums = sums.join(", "),
    )
}

fn bins() -> impl Iterator<Item = String> {
    HISTOGRAMS.into_iter().flat_map(|prefix| (0..BINS).map(move |bin| format!("{prefix}{bin:02}")))
}
