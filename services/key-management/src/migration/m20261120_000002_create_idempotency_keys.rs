//! Which create requests were carried out, by the hash of their Idempotency-Key.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(IdempotencyKeys::Table)
            .col(uuid(IdempotencyKeys::CallerId))
            .col(blob(IdempotencyKeys::KeyHash))
            .col(uuid(IdempotencyKeys::KeyId))
            .col(big_integer(IdempotencyKeys::CreatedAt))
            .primary_key(Index::create().col(IdempotencyKeys::CallerId).col(IdempotencyKeys::KeyHash))
            .to_owned();
        manager.create_table(table).await?;
        let by_age = Index::create()
            .name("idempotency_keys_by_age")
            .table(IdempotencyKeys::Table)
            .col(IdempotencyKeys::CreatedAt)
            .to_owned();
        manager.create_index(by_age).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(IdempotencyKeys::Table).to_owned()).await
    }
}

#[derive(DeriveIden)]
enum IdempotencyKeys {
    Table,
    CallerId,
    KeyHash,
    KeyId,
    CreatedAt,
}
