//! Events, what is summed from them, and how far each producer's sequence is committed.
//!
//! On Postgres the events are partitioned by day (made on demand, see `store::partition`); on SQLite it is a plain table.

use sea_orm::DatabaseBackend;
use sea_orm_migration::{prelude::*, schema::*};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261120_000001_create_ledger"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        for table in
            [events(backend), rollups(backend), ledger(backend), key_uses(), quarantine(), sources(), source_ranges()]
        {
            manager.create_table(table).await?;
        }
        for (name, columns) in EVENT_INDEXES {
            let mut index = Index::create();
            index.name(*name).table("usage_events");
            for column in *columns {
                index.col(*column);
            }
            manager.create_index(index).await?;
        }
        let by_key = Index::create().name("usage_ledger_by_key").table("usage_ledger").col("key_id").to_owned();
        manager.create_index(by_key).await?;
        manager.create_index(rollup_index("usage_rollups_by_user", "user_id")).await?;
        manager.create_index(rollup_index("usage_rollups_by_key", "key_id")).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            "usage_source_ranges",
            "usage_sources",
            "usage_quarantine",
            "usage_key_uses",
            "usage_ledger",
            "usage_rollups",
            "usage_events",
        ] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

/// The request log pages by (admitted_at, id), alone or of one user or key.
const EVENT_INDEXES: &[(&str, &[&str])] = &[
    ("usage_events_by_time", &["admitted_at", "id"]),
    ("usage_events_by_user", &["user_id", "admitted_at", "id"]),
    ("usage_events_by_key", &["key_id", "admitted_at", "id"]),
];

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

fn events(backend: DatabaseBackend) -> TableCreateStatement {
    let mut table = Table::create();
    table.table("usage_events").col(integer("day")).col(uuid("id")).col(string("source")).col(big_integer("sequence"));
    for column in ["key_id", "team_id", "organisation_id", "upstream_id", "price_id"] {
        table.col(uuid_null(column));
    }
    table.col(uuid("user_id")).col(uuid("model_id"));
    for column in ["cost_centre", "model", "upstream", "provider", "operation", "quality", "outcome", "error_code"] {
        table.col(text(column));
    }
    for column in ["currency", "request_id", "upstream_request_id", "trace_id", "end_user"] {
        table.col(text(column));
    }
    for json in ["attempts", "charges", "labels"] {
        table.col(text(json));
    }
    table.col(boolean("stream")).col(integer("status")).col(integer("discount_basis_points"));
    table.col(big_integer("catalogue_revision")).col(big_integer("admitted_at")).col(big_integer("received_at"));
    table.col(big_integer_null("first_byte_us")).col(big_integer_null("completed_us"));
    for column in MEASURES.iter().skip(2) {
        table.col(big_integer(*column));
    }
    table.col(binary_len("content_hash", 32));
    table.primary_key(Index::create().col("day").col("id"));
    if backend == DatabaseBackend::Postgres {
        table.partition_by_range(["day"]);
    }
    table.to_owned()
}

fn rollups(backend: DatabaseBackend) -> TableCreateStatement {
    let mut table = Table::create();
    table.table("usage_rollups").col(big_integer("bucket_start"));
    let ids = ["key_id", "user_id", "team_id", "organisation_id"];
    let texts = ["cost_centre", "model", "upstream", "operation", "outcome", "currency"];
    let mut primary_key = Index::create();
    primary_key.col("bucket_start");
    for column in ids {
        table.col(uuid(column));
        primary_key.col(column);
    }
    for column in texts {
        table.col(text(column));
        primary_key.col(column);
    }
    add_measures(&mut table, backend);
    table.primary_key(&mut primary_key).to_owned()
}

fn ledger(backend: DatabaseBackend) -> TableCreateStatement {
    let mut table = Table::create();
    table
        .table("usage_ledger")
        .col(integer("month"))
        .col(uuid("team_id"))
        .col(text("cost_centre"))
        .col(uuid("user_id"))
        .col(uuid("key_id"))
        .col(text("model"))
        .col(text("currency"));
    add_measures(&mut table, backend);
    let mut primary_key = Index::create();
    for column in ["month", "team_id", "cost_centre", "user_id", "key_id", "model", "currency"] {
        primary_key.col(column);
    }
    table.primary_key(&mut primary_key).to_owned()
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

fn rollup_index(name: &'static str, column: &'static str) -> IndexCreateStatement {
    Index::create().name(name).table("usage_rollups").col(column).col("bucket_start").to_owned()
}

fn key_uses() -> TableCreateStatement {
    Table::create()
        .table("usage_key_uses")
        .col(uuid("key_id").primary_key())
        .col(uuid("user_id"))
        .col(big_integer("first_used_at"))
        .col(big_integer("last_used_at"))
        .to_owned()
}

fn quarantine() -> TableCreateStatement {
    Table::create()
        .table("usage_quarantine")
        .col(binary_len("digest", 32).primary_key())
        .col(text("source"))
        .col(big_integer_null("first_sequence"))
        .col(big_integer_null("last_sequence"))
        .col(uuid_null("event_id"))
        .col(text("kind"))
        .col(text("reason"))
        .col(blob("payload"))
        .col(big_integer("received_at"))
        .to_owned()
}

fn sources() -> TableCreateStatement {
    Table::create()
        .table("usage_sources")
        .col(text("source").primary_key())
        .col(uuid("instance"))
        .col(uuid("boot"))
        .col(big_integer("worker"))
        .col(big_integer("committed_through"))
        .col(big_integer("announced"))
        .col(big_integer("open_requests"))
        .col(big_integer_null("oldest_open_admission"))
        .col(big_integer_null("last_heartbeat_at"))
        .col(big_integer("last_heard_at"))
        .col(big_integer("first_seen_at"))
        .col(big_integer("confirmed_until"))
        .col(big_integer_null("pending_sequence"))
        .col(big_integer_null("pending_confirms_until"))
        .col(big_integer_null("pending_heard_at"))
        .col(boolean("closed"))
        .to_owned()
}

/// Committed ranges above a source's watermark.
fn source_ranges() -> TableCreateStatement {
    Table::create()
        .table("usage_source_ranges")
        .col(text("source"))
        .col(big_integer("first_sequence"))
        .col(big_integer("last_sequence"))
        .primary_key(Index::create().col("source").col("first_sequence"))
        .to_owned()
}
