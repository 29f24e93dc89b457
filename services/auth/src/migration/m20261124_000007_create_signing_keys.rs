//! The keys that access tokens are signed with; private halves only sealed.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(SigningKeys::Table)
            .col(string_len(SigningKeys::KeyId, 64).primary_key())
            .col(string_len(SigningKeys::X, 64))
            .col(var_binary_null(SigningKeys::Sealed, 256))
            .col(big_integer(SigningKeys::CreatedAt))
            .col(big_integer(SigningKeys::UsedFrom))
            .col(big_integer_null(SigningKeys::KeptUntil))
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(SigningKeys::Table).to_owned()).await
    }
}

#[derive(DeriveIden)]
enum SigningKeys {
    Table,
    KeyId,
    X,
    Sealed,
    CreatedAt,
    UsedFrom,
    KeptUntil,
}
