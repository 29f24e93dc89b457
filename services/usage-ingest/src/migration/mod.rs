//! The schema, one file per migration. A migration that has run anywhere is never edited.

mod m20261120_000001_create_ledger;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m20261120_000001_create_ledger::Migration)]
    }
}
