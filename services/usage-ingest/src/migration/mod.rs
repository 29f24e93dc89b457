//! The schema, one file per migration. A migration that has run anywhere is never edited.

mod m20261120_000001_create_ledger;
mod m20261123_000002_sums;
mod m20261123_000003_quarantine_decisions;
mod m20261124_000004_request_ids;
mod m20261124_000005_hourly_overview;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261120_000001_create_ledger::Migration),
            Box::new(m20261123_000002_sums::Migration),
            Box::new(m20261123_000003_quarantine_decisions::Migration),
            Box::new(m20261124_000004_request_ids::Migration),
            Box::new(m20261124_000005_hourly_overview::Migration),
        ]
    }
}
