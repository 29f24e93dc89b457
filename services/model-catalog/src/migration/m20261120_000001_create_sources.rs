//! Discovery sources and what their last run came to.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(Sources::Table)
            .col(uuid(Sources::Id).primary_key())
            .col(string(Sources::Name).unique_key())
            .col(string(Sources::Kind))
            .col(text(Sources::Location))
            .col(string_null(Sources::CredentialVariable))
            .col(text(Sources::Settings))
            .col(boolean(Sources::Configured))
            .col(big_integer_null(Sources::LastRunAt))
            .col(big_integer_null(Sources::LastSuccessAt))
            .col(text_null(Sources::LastResult))
            .col(text_null(Sources::LastError))
            .col(big_integer(Sources::CreatedAt))
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Sources::Table).to_owned()).await
    }
}

#[derive(DeriveIden)]
enum Sources {
    Table,
    Id,
    Name,
    Kind,
    Location,
    CredentialVariable,
    Settings,
    Configured,
    LastRunAt,
    LastSuccessAt,
    LastResult,
    LastError,
    CreatedAt,
}
