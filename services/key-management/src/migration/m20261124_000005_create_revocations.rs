//! What the proxies must hear of and confirm: the counter of revocations, the revocations, and who asked for them.

use maas_revocation::owner;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        owner::create_tables(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        owner::drop_tables(manager).await
    }
}
