//! Models, and the tombstones of those that were deleted.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(models_table()).await?;
        // The order of lists.
        let by_time = Index::create()
            .name("models_by_creation")
            .table(Models::Table)
            .col(Models::CreatedAt)
            .col(Models::Id)
            .to_owned();
        manager.create_index(by_time).await?;
        // A source lists each of its models once; models without a source have null here and do not collide.
        let by_source = Index::create()
            .name("models_by_source")
            .table(Models::Table)
            .col(Models::SourceId)
            .col(Models::SourceKey)
            .unique()
            .to_owned();
        manager.create_index(by_source).await?;
        let tombstones = Table::create()
            .table(ModelTombstones::Table)
            .col(uuid(ModelTombstones::Id).primary_key())
            .col(big_integer(ModelTombstones::Version))
            .col(text(ModelTombstones::Name))
            .col(big_integer(ModelTombstones::DeletedAt))
            .to_owned();
        manager.create_table(tombstones).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(ModelTombstones::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Models::Table).to_owned()).await
    }
}

fn models_table() -> TableCreateStatement {
    Table::create()
        .table(Models::Table)
        .col(uuid(Models::Id).primary_key())
        .col(big_integer(Models::Version))
        .col(string(Models::Name).unique_key())
        .col(text(Models::DisplayName))
        .col(text(Models::Description))
        .col(text(Models::Aliases))
        .col(string(Models::Provider))
        .col(string(Models::Family))
        .col(string(Models::Category))
        .col(string(Models::Kind))
        .col(text(Models::Capabilities))
        .col(big_integer(Models::ContextLength))
        .col(big_integer(Models::MaxOutputTokens))
        .col(string(Models::Owner))
        .col(string(Models::Licence))
        .col(text(Models::Tags))
        .col(string(Models::Lifecycle))
        .col(boolean(Models::Enabled))
        .col(boolean(Models::Restricted))
        .col(boolean(Models::Available))
        .col(uuid_null(Models::SourceId))
        .col(text_null(Models::SourceKey))
        .col(big_integer(Models::CreatedAt))
        .col(big_integer(Models::UpdatedAt))
        .to_owned()
}

#[derive(DeriveIden)]
enum Models {
    Table,
    Id,
    Version,
    Name,
    DisplayName,
    Description,
    Aliases,
    Provider,
    Family,
    Category,
    Kind,
    Capabilities,
    ContextLength,
    MaxOutputTokens,
    Owner,
    Licence,
    Tags,
    Lifecycle,
    Enabled,
    Restricted,
    Available,
    SourceId,
    SourceKey,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum ModelTombstones {
    Table,
    Id,
    Version,
    Name,
    DeletedAt,
}
