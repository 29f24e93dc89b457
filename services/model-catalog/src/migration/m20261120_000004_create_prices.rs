//! Price versions; rates in nano-units per million units.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(Prices::Table)
            .col(uuid(Prices::Id).primary_key())
            .col(uuid(Prices::ModelId))
            .col(big_integer(Prices::EffectiveFrom))
            .col(string(Prices::Currency))
            .col(big_integer(Prices::Input))
            .col(big_integer_null(Prices::CachedInput))
            .col(big_integer_null(Prices::CacheWriteInput))
            .col(big_integer_null(Prices::AudioInput))
            .col(big_integer(Prices::Output))
            .col(big_integer_null(Prices::ReasoningOutput))
            .col(big_integer_null(Prices::AudioOutput))
            .col(big_integer(Prices::Image))
            .col(big_integer(Prices::Request))
            .col(big_integer(Prices::CreatedAt))
            .col(uuid_null(Prices::CreatedBy))
            .foreign_key(
                ForeignKey::create()
                    .from(Prices::Table, Prices::ModelId)
                    .to(Models::Table, Models::Id)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(table).await?;
        let by_time = Index::create()
            .name("prices_by_model_and_time")
            .table(Prices::Table)
            .col(Prices::ModelId)
            .col(Prices::EffectiveFrom)
            .unique()
            .to_owned();
        manager.create_index(by_time).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Prices::Table).to_owned()).await
    }
}

#[derive(DeriveIden)]
enum Prices {
    Table,
    Id,
    ModelId,
    EffectiveFrom,
    Currency,
    Input,
    CachedInput,
    CacheWriteInput,
    AudioInput,
    Output,
    ReasoningOutput,
    AudioOutput,
    Image,
    Request,
    CreatedAt,
    CreatedBy,
}

#[derive(DeriveIden)]
enum Models {
    Table,
    Id,
}
