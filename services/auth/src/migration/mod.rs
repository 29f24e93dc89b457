//! The tables of this service, one migration per file; the file's stem is the migration's name.

use sea_orm_migration::prelude::*;

mod m20261120_000001_create_users;
mod m20261120_000002_create_sessions;
mod m20261120_000003_create_audit;
mod m20261120_000004_create_outbox;
mod m20261124_000005_create_sign_in_attempts;
mod m20261124_000006_create_group_mappings;
mod m20261124_000006_create_teams;
mod m20261124_000006_extend_users;
mod m20261124_000007_create_revoked_tokens;
mod m20261124_000007_create_signing_keys;
mod m20261124_000008_chain_audit;
mod m20261124_000009_create_revocations;

pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261120_000001_create_users::Migration),
            Box::new(m20261120_000002_create_sessions::Migration),
            Box::new(m20261120_000003_create_audit::Migration),
            Box::new(m20261120_000004_create_outbox::Migration),
            Box::new(m20261124_000005_create_sign_in_attempts::Migration),
            Box::new(m20261124_000009_create_revocations::Migration),
            Box::new(m20261124_000006_extend_users::Migration),
            Box::new(m20261124_000006_create_teams::Migration),
            Box::new(m20261124_000006_create_group_mappings::Migration),
            Box::new(m20261124_000007_create_revoked_tokens::Migration),
            Box::new(m20261124_000007_create_signing_keys::Migration),
            Box::new(m20261124_000008_chain_audit::Migration),
        ]
    }
}
