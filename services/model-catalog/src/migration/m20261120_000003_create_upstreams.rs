//! Upstreams of models, with their credentials as references or ciphertext.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(Upstreams::Table)
            .col(uuid(Upstreams::Id).primary_key())
            .col(uuid(Upstreams::ModelId))
            .col(big_integer(Upstreams::Version))
            .col(text(Upstreams::Name))
            .col(text(Upstreams::BaseUrl))
            .col(string(Upstreams::Dialect))
            .col(text(Upstreams::UpstreamModel))
            .col(string(Upstreams::CredentialKind))
            .col(text_null(Upstreams::CredentialReference))
            .col(big_integer_null(Upstreams::CredentialKeyVersion))
            .col(blob_null(Upstreams::CredentialNonce))
            .col(blob_null(Upstreams::CredentialCiphertext))
            .col(big_integer(Upstreams::Weight))
            .col(big_integer(Upstreams::Priority))
            .col(boolean(Upstreams::Enabled))
            .col(big_integer(Upstreams::ConnectTimeoutMs))
            .col(big_integer(Upstreams::FirstByteTimeoutMs))
            .col(big_integer(Upstreams::GapTimeoutMs))
            .col(big_integer(Upstreams::TotalTimeoutMs))
            .col(uuid_null(Upstreams::SourceId))
            .col(big_integer(Upstreams::CreatedAt))
            .col(big_integer(Upstreams::UpdatedAt))
            .foreign_key(
                ForeignKey::create()
                    .from(Upstreams::Table, Upstreams::ModelId)
                    .to(Models::Table, Models::Id)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(table).await?;
        let by_model =
            Index::create().name("upstreams_by_model").table(Upstreams::Table).col(Upstreams::ModelId).to_owned();
        manager.create_index(by_model).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Upstreams::Table).to_owned()).await
    }
}

#[derive(DeriveIden)]
enum Upstreams {
    Table,
    Id,
    ModelId,
    Version,
    Name,
    BaseUrl,
    Dialect,
    UpstreamModel,
    CredentialKind,
    CredentialReference,
    CredentialKeyVersion,
    CredentialNonce,
    CredentialCiphertext,
    Weight,
    Priority,
    Enabled,
    ConnectTimeoutMs,
    FirstByteTimeoutMs,
    GapTimeoutMs,
    TotalTimeoutMs,
    SourceId,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum Models {
    Table,
    Id,
}
