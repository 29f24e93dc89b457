//! The schema's history, one file per step. To change the schema, add a file and a line here; never edit an old step.

use sea_orm_migration::prelude::*;

mod m20261120_000001_create_sources;
mod m20261120_000002_create_models;
mod m20261120_000003_create_upstreams;
mod m20261120_000004_create_prices;
mod m20261120_000005_create_outbox;
mod m20261123_000006_add_routing;

pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261120_000001_create_sources::Migration),
            Box::new(m20261120_000002_create_models::Migration),
            Box::new(m20261120_000003_create_upstreams::Migration),
            Box::new(m20261120_000004_create_prices::Migration),
            Box::new(m20261120_000005_create_outbox::Migration),
            Box::new(m20261123_000006_add_routing::Migration),
        ]
    }
}
