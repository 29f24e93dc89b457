//! The tables of this service, one migration per file; the file's stem is the migration's name.

use sea_orm_migration::prelude::*;

mod m20261120_000001_create_users;
mod m20261120_000002_create_sessions;
mod m20261120_000003_create_audit;
mod m20261120_000004_create_outbox;

pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261120_000001_create_users::Migration),
            Box::new(m20261120_000002_create_sessions::Migration),
            Box::new(m20261120_000003_create_audit::Migration),
            Box::new(m20261120_000004_create_outbox::Migration),
        ]
    }
}
