//! What people decide about the quarantine, proofs of the sums, and the outbox for audit records.
//!
//! Only adds: an ingest of the version before goes on writing to the quarantine, where its rows are held as before.

use maas_store::outbox;
use sea_orm_migration::{prelude::*, schema::*};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261123_000003_quarantine_decisions"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One column for each statement: SQLite takes no more.
        for column in decision_columns() {
            manager.alter_table(Table::alter().table("usage_quarantine").add_column(column).to_owned()).await?;
        }
        for (name, table, columns) in INDEXES {
            let mut index = Index::create();
            index.name(*name).table(*table);
            for column in *columns {
                index.col(*column);
            }
            manager.create_index(index).await?;
        }
        for table in [retention(), proofs()] {
            manager.create_table(table).await?;
        }
        manager
            .get_connection()
            .execute_unprepared("INSERT INTO usage_retention (id, raw_floor) VALUES (1, 0)")
            .await?;
        outbox::create_table(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        outbox::drop_table(manager).await?;
        for table in ["usage_proofs", "usage_retention"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        for (name, table, _) in INDEXES {
            manager.drop_index(Index::drop().name(*name).table(*table).to_owned()).await?;
        }
        for column in DECISION_COLUMNS {
            manager.alter_table(Table::alter().table("usage_quarantine").drop_column(column).to_owned()).await?;
        }
        Ok(())
    }
}

/// Both lists are paged by time, newest first; the gauges count by kind.
const INDEXES: &[(&str, &str, &[&str])] = &[
    ("usage_quarantine_by_time", "usage_quarantine", &["received_at", "digest"]),
    ("usage_quarantine_by_state", "usage_quarantine", &["state", "received_at", "digest"]),
    ("usage_quarantine_by_kind", "usage_quarantine", &["state", "kind"]),
    ("usage_corrections_by_creation", "usage_corrections", &["created_at", "id"]),
];

const DECISION_COLUMNS: [&str; 7] =
    ["repeated", "state", "booked_as", "decided_at", "decided_by", "decided_by_name", "decision_reason"];

fn decision_columns() -> [ColumnDef; 7] {
    let [repeated, state, booked_as, decided_at, decided_by, decided_by_name, decision_reason] = DECISION_COLUMNS;
    [
        boolean(repeated).default(false).take(),
        text(state).default("held").take(),
        text(booked_as).default("").take(),
        big_integer_null(decided_at).take(),
        uuid_null(decided_by).take(),
        text(decided_by_name).default("").take(),
        text(decision_reason).default("").take(),
    ]
}

/// One row: raw events of days before the floor may be gone. Nothing was dropped before this step.
fn retention() -> TableCreateStatement {
    Table::create().table("usage_retention").col(integer("id").primary_key()).col(integer("raw_floor")).to_owned()
}

/// The last check of each day.
fn proofs() -> TableCreateStatement {
    Table::create()
        .table("usage_proofs")
        .col(integer("day").primary_key())
        .col(big_integer("checked_at"))
        .col(text("proof"))
        .to_owned()
}
