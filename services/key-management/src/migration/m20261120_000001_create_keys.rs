//! Keys, the models they name, and the outbox.

use maas_store::outbox;
use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(keys_table()).await?;
        // The order of lists, of all keys and of one owner's.
        let by_time =
            Index::create().name("keys_by_creation").table(Keys::Table).col(Keys::CreatedAt).col(Keys::Id).to_owned();
        manager.create_index(by_time).await?;
        let by_owner = Index::create()
            .name("keys_by_owner")
            .table(Keys::Table)
            .col(Keys::OwnerId)
            .col(Keys::CreatedAt)
            .col(Keys::Id)
            .to_owned();
        manager.create_index(by_owner).await?;
        manager.create_table(key_models_table()).await?;
        let by_model =
            Index::create().name("key_models_by_model").table(KeyModels::Table).col(KeyModels::Model).to_owned();
        manager.create_index(by_model).await?;
        outbox::create_table(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        outbox::drop_table(manager).await?;
        manager.drop_table(Table::drop().table(KeyModels::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Keys::Table).to_owned()).await
    }
}

fn keys_table() -> TableCreateStatement {
    Table::create()
        .table(Keys::Table)
        .col(uuid(Keys::Id).primary_key())
        .col(big_integer(Keys::Version))
        .col(string(Keys::PublicId).unique_key())
        .col(blob(Keys::SecretMac))
        .col(integer(Keys::PepperVersion))
        .col(text(Keys::Name))
        .col(text(Keys::Description))
        .col(uuid(Keys::OwnerId))
        .col(uuid_null(Keys::TeamId))
        .col(boolean(Keys::AllModels))
        .col(text(Keys::Labels))
        .col(string(Keys::Status))
        .col(big_integer_null(Keys::ExpiresAt))
        .col(big_integer(Keys::CreatedAt))
        .col(big_integer(Keys::UpdatedAt))
        .col(uuid_null(Keys::CreatedBy))
        .col(big_integer_null(Keys::RevokedAt))
        .col(text_null(Keys::RevokeReason))
        .to_owned()
}

fn key_models_table() -> TableCreateStatement {
    Table::create()
        .table(KeyModels::Table)
        .col(uuid(KeyModels::KeyId))
        .col(text(KeyModels::Model))
        .primary_key(Index::create().col(KeyModels::KeyId).col(KeyModels::Model))
        .foreign_key(
            ForeignKey::create()
                .from(KeyModels::Table, KeyModels::KeyId)
                .to(Keys::Table, Keys::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

#[derive(DeriveIden)]
enum Keys {
    Table,
    Id,
    Version,
    PublicId,
    SecretMac,
    PepperVersion,
    Name,
    Description,
    OwnerId,
    TeamId,
    AllModels,
    Labels,
    Status,
    ExpiresAt,
    CreatedAt,
    UpdatedAt,
    CreatedBy,
    RevokedAt,
    RevokeReason,
}

#[derive(DeriveIden)]
enum KeyModels {
    Table,
    KeyId,
    Model,
}
