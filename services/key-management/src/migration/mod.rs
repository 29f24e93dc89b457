//! The schema's history, one file per step. To change the schema, add a file and a line here; never edit an old step.

use sea_orm_migration::prelude::*;

mod m20261120_000001_create_keys;
mod m20261120_000002_create_idempotency_keys;
mod m20261124_000003_extend_keys;
mod m20261124_000004_create_subscriptions;
mod m20261124_000005_create_revocations;

pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261120_000001_create_keys::Migration),
            Box::new(m20261120_000002_create_idempotency_keys::Migration),
            Box::new(m20261124_000003_extend_keys::Migration),
            Box::new(m20261124_000004_create_subscriptions::Migration),
            Box::new(m20261124_000005_create_revocations::Migration),
        ]
    }
}
