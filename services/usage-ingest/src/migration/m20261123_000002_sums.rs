//! All sums over one view: days and overviews beside quarter hours and months, signed corrections, and the view that all
//! sums are the sum of.
//!
//! Guarantee: when this step commits, each new table holds the sums of everything that was booked before. It holds the
//! ingest's lock, so that nothing is booked while it counts; messages wait and come after it.
//!
//! The ledger's key grows by `of_month`, so an ingest of the version before cannot write to it any more. That is wanted:
//! it would not fill the new tables. It holds what it has, unacknowledged, until the new version takes over.
//!
//! Raw SQL where the builder has no words: views, copying between tables, conditional sums.

use sea_orm::DatabaseBackend;
use sea_orm_migration::{prelude::*, schema::*};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261123_000002_sums"
    }
}

const IDS: [&str; 4] = ["key_id", "user_id", "team_id", "organisation_id"];
const TEXTS: [&str; 6] = ["cost_centre", "model", "upstream", "operation", "outcome", "currency"];
/// Without key and user: what dashboards ask for most, in a fraction of the rows.
const OVERVIEW_IDS: [&str; 2] = ["team_id", "organisation_id"];

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

/// Upper bounds of the latency bins in milliseconds, inclusive; the last bin has none.
const BOUNDS_MS: [i64; 23] = [
    5, 10, 20, 35, 50, 75, 100, 150, 200, 300, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 7_500, 10_000, 15_000,
    30_000, 60_000, 120_000,
];
const DAY_MS: i64 = 86_400_000;
const BINS: usize = BOUNDS_MS.len() + 1;
const HISTOGRAMS: [(&str, &str); 2] = [("d", "completed_us"), ("f", "first_byte_us")];

const NEW_INDEXES: &[(&str, &str, &[&str])] = &[
    ("usage_rollups_by_team", "usage_rollups", &["team_id", "bucket_start"]),
    ("usage_daily_by_user", "usage_daily", &["user_id", "day"]),
    ("usage_daily_by_key", "usage_daily", &["key_id", "day"]),
    ("usage_daily_by_team", "usage_daily", &["team_id", "day"]),
    ("usage_overview_by_team", "usage_overview", &["team_id", "bucket_start"]),
    ("usage_overview_daily_by_team", "usage_overview_daily", &["team_id", "day"]),
    ("usage_corrections_by_time", "usage_corrections", &["admitted_at", "id"]),
    ("usage_corrections_by_day", "usage_corrections", &["day"]),
    ("usage_corrections_by_event", "usage_corrections", &["event_id"]),
    ("usage_events_by_team", "usage_events", &["team_id", "admitted_at", "id"]),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        hold_ingest(manager).await?;
        let tables = [
            sums("usage_daily", "day", &IDS, backend),
            sums("usage_overview", "bucket_start", &OVERVIEW_IDS, backend),
            sums("usage_overview_daily", "day", &OVERVIEW_IDS, backend),
            corrections(backend),
        ];
        for table in tables {
            manager.create_table(table).await?;
        }
        for (name, table, columns) in NEW_INDEXES {
            manager.create_index(index(name, table, columns)).await?;
        }
        rebuild_ledger(manager, ledger(backend, &["month", "of_month"]), "month, month AS of_month").await?;
        let connection = manager.get_connection();
        connection.execute_unprepared(&entries_view(backend)).await?;
        connection.execute_unprepared(&fill("usage_daily", "day", DAY_MS, &IDS, backend)).await?;
        connection.execute_unprepared(&fill("usage_overview", "bucket_start", 900_000, &OVERVIEW_IDS, backend)).await?;
        connection.execute_unprepared(&fill("usage_overview_daily", "day", DAY_MS, &OVERVIEW_IDS, backend)).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        hold_ingest(manager).await?;
        manager.get_connection().execute_unprepared("DROP VIEW usage_entries").await?;
        for table in ["usage_corrections", "usage_overview_daily", "usage_overview", "usage_daily"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        manager.drop_index(Index::drop().name("usage_events_by_team").table("usage_events").to_owned()).await?;
        manager.drop_index(Index::drop().name("usage_rollups_by_team").table("usage_rollups").to_owned()).await?;
        rebuild_ledger(manager, ledger(backend, &["month"]), "month").await
    }
}

/// The lock of `store::lock`: whoever books waits until this transaction ends.
async fn hold_ingest(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    if manager.get_database_backend() == DatabaseBackend::Postgres {
        let lock = "SELECT pg_advisory_xact_lock(hashtext('maas-usage-ingest'), 0)";
        manager.get_connection().execute_unprepared(lock).await?;
    }
    Ok(())
}

/// A table of sums with latencies; `time` is `day` or the start of a quarter hour.
fn sums(
    name: &'static str,
    time: &'static str,
    ids: &[&'static str],
    backend: DatabaseBackend,
) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name);
    if time == "day" {
        table.col(integer(time));
    } else {
        table.col(big_integer(time));
    }
    add_dimensions(&mut table, time, ids);
    add_measures(&mut table, backend);
    add_histograms(&mut table);
    table.to_owned()
}

fn corrections(backend: DatabaseBackend) -> TableCreateStatement {
    let mut table = Table::create();
    table
        .table("usage_corrections")
        .col(uuid("id").primary_key())
        .col(integer("day"))
        .col(big_integer("admitted_at"))
        .col(uuid_null("event_id"))
        .col(text("kind"))
        .col(text("reason"))
        .col(uuid_null("actor"))
        .col(text("actor_name"))
        .col(big_integer("created_at"))
        // Of a correction by better quality: which one is booked with it. Empty for the others.
        .col(text("quality"))
        .col(binary_len("content_hash", 32));
    for column in IDS {
        table.col(uuid(column));
    }
    for column in TEXTS {
        table.col(text(column));
    }
    add_measures(&mut table, backend);
    table.to_owned()
}

/// The monthly ledger, under a name that is free while the old one is still there.
fn ledger(backend: DatabaseBackend, months: &[&'static str]) -> TableCreateStatement {
    let mut table = Table::create();
    table.table("usage_ledger_next");
    let mut primary_key = Index::create();
    for column in months {
        table.col(integer(*column));
        primary_key.col(*column);
    }
    table.col(uuid("team_id")).col(text("cost_centre")).col(uuid("user_id")).col(uuid("key_id"));
    table.col(text("model")).col(text("currency"));
    for column in LEDGER_DIMENSIONS {
        primary_key.col(column);
    }
    add_measures(&mut table, backend);
    table.primary_key(&mut primary_key).to_owned()
}

const LEDGER_DIMENSIONS: [&str; 6] = ["team_id", "cost_centre", "user_id", "key_id", "model", "currency"];

/// SQLite cannot change a primary key, so on both databases a new table takes the rows and the name.
async fn rebuild_ledger(manager: &SchemaManager<'_>, next: TableCreateStatement, months: &str) -> Result<(), DbErr> {
    let dimensions = LEDGER_DIMENSIONS.join(", ");
    let sums: Vec<_> = MEASURES.iter().map(|measure| sum(measure)).collect();
    let copy = format!(
        "INSERT INTO usage_ledger_next SELECT {months}, {dimensions}, {} FROM usage_ledger GROUP BY month, {dimensions}",
        sums.join(", ")
    );
    manager.create_table(next).await?;
    manager.get_connection().execute_unprepared(&copy).await?;
    manager.drop_table(Table::drop().table("usage_ledger").to_owned()).await?;
    manager.rename_table(Table::rename().table("usage_ledger_next", "usage_ledger").to_owned()).await?;
    manager.create_index(index("usage_ledger_by_key", "usage_ledger", &["key_id"])).await
}

/// Events and corrections with the same columns; what is missing is the nil UUID, as in the sums.
fn entries_view(backend: DatabaseBackend) -> String {
    let of_event: Vec<_> = IDS.iter().map(|column| coalesced(column, backend)).collect();
    let (texts, counts) = (TEXTS.join(", "), MEASURES[2..].join(", "));
    let measures = MEASURES.join(", ");
    format!(
        "CREATE VIEW usage_entries AS \
         SELECT 'event' AS entry_kind, id, day, admitted_at, {of_event}, {texts}, \
         CAST(1 AS BIGINT) AS requests, CAST(CASE WHEN price_id IS NULL THEN 1 ELSE 0 END AS BIGINT) AS unpriced_requests, \
         {counts}, first_byte_us, completed_us FROM usage_events \
         UNION ALL SELECT kind, id, day, admitted_at, {ids}, {texts}, {measures}, \
         CAST(NULL AS BIGINT), CAST(NULL AS BIGINT) FROM usage_corrections",
        of_event = of_event.join(", "),
        ids = IDS.join(", "),
    )
}

fn coalesced(column: &str, backend: DatabaseBackend) -> String {
    let nil = match backend {
        DatabaseBackend::Postgres => "'00000000-0000-0000-0000-000000000000'::uuid",
        _ => "x'00000000000000000000000000000000'",
    };
    format!("COALESCE({column}, {nil}) AS {column}")
}

/// Measures come from the quarter hours, which are complete; latencies only from the events, which nothing has dropped
/// before this step.
fn fill(table: &str, time: &str, width_ms: i64, ids: &[&str], backend: DatabaseBackend) -> String {
    let dimensions = [ids, &TEXTS].concat().join(", ");
    let measures = MEASURES.join(", ");
    let zeros = vec!["0"; MEASURES.len()].join(", ");
    let of_event = ids.iter().map(|column| coalesced(column, backend)).chain(TEXTS.map(str::to_owned));
    let bucket = if time == "day" { format!("/ {width_ms}") } else { format!("/ {width_ms} * {width_ms}") };
    let columns: Vec<_> = histogram_columns().into_iter().map(|(name, _)| name).collect();
    let sums: Vec<_> = MEASURES.iter().map(|measure| sum(measure)).collect();
    let bins: Vec<_> = histogram_columns().into_iter().map(|(_, sum)| sum).collect();
    format!(
        "INSERT INTO {table} ({time}, {dimensions}, {measures}, {columns}) \
         SELECT bucket, {dimensions}, {sums}, {bins} FROM (\
         SELECT bucket_start {bucket} AS bucket, {dimensions}, {measures}, \
         CAST(NULL AS BIGINT) AS completed_us, CAST(NULL AS BIGINT) AS first_byte_us FROM usage_rollups \
         UNION ALL SELECT admitted_at {bucket}, {of_event}, {zeros}, completed_us, first_byte_us FROM usage_events\
         ) AS booked GROUP BY bucket, {dimensions}",
        columns = columns.join(", "),
        sums = sums.join(", "),
        bins = bins.join(", "),
        of_event = of_event.collect::<Vec<_>>().join(", "),
    )
}

fn sum(measure: &str) -> String {
    format!("CAST(SUM({measure}) AS BIGINT)")
}

/// Each bin's column, and the sum that fills it.
fn histogram_columns() -> Vec<(String, String)> {
    let mut columns = Vec::new();
    for (prefix, micros) in HISTOGRAMS {
        for bin in 0..BINS {
            let above =
                bin.checked_sub(1).and_then(|below| BOUNDS_MS.get(below)).map(|ms| format!("{micros} > {ms}000"));
            let up_to = BOUNDS_MS.get(bin).map(|ms| format!("{micros} <= {ms}000"));
            let inside: Vec<_> = above.into_iter().chain(up_to).collect();
            let sum = format!("SUM(CASE WHEN {} THEN 1 ELSE 0 END)", inside.join(" AND "));
            columns.push((format!("{prefix}{bin:02}"), sum));
        }
    }
    columns
}

/// The key is the time and all dimensions, in this order.
fn add_dimensions(table: &mut TableCreateStatement, time: &'static str, ids: &[&'static str]) {
    let mut primary_key = Index::create();
    primary_key.col(time);
    for column in ids {
        table.col(uuid(*column));
        primary_key.col(*column);
    }
    for column in TEXTS {
        table.col(text(column));
        primary_key.col(column);
    }
    table.primary_key(&mut primary_key);
}

fn add_measures(table: &mut TableCreateStatement, backend: DatabaseBackend) {
    for column in MEASURES {
        table.col(big_integer(column));
        if backend == DatabaseBackend::Sqlite {
            // SQLite turns an integer overflow into a floating-point number without a word; refuse it, as Postgres does.
            table.check(Expr::cust(format!("typeof(\"{column}\") = 'integer'")));
        }
    }
}

fn add_histograms(table: &mut TableCreateStatement) {
    for (column, _) in histogram_columns() {
        table.col(integer(Alias::new(column)));
    }
}

fn index(name: &'static str, table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name).table(table);
    for column in columns {
        index.col(*column);
    }
    index.to_owned()
}
