use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(Audit::Table)
            .col(uuid(Audit::Id).primary_key())
            .col(big_integer(Audit::TimeMs))
            .col(string(Audit::Service))
            .col(string(Audit::ActorKind))
            .col(uuid_null(Audit::ActorId))
            .col(string(Audit::ActorName))
            .col(string(Audit::Action))
            .col(string(Audit::ResourceKind))
            .col(string(Audit::ResourceId))
            .col(string(Audit::Outcome))
            .col(text(Audit::BeforeJson))
            .col(text(Audit::AfterJson))
            .col(string(Audit::RequestId))
            .col(string(Audit::Address))
            .to_owned();
        manager.create_table(table).await?;
        // Every list is in the order of time; a filter of its own index narrows first.
        index(manager, "audit_time", &[Audit::TimeMs, Audit::Id]).await?;
        index(manager, "audit_actor", &[Audit::ActorId, Audit::TimeMs, Audit::Id]).await?;
        index(manager, "audit_resource", &[Audit::ResourceKind, Audit::ResourceId, Audit::TimeMs, Audit::Id]).await?;
        index(manager, "audit_action", &[Audit::Action, Audit::TimeMs, Audit::Id]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Audit::Table).to_owned()).await
    }
}

async fn index(manager: &SchemaManager<'_>, name: &str, columns: &[Audit]) -> Result<(), DbErr> {
    let mut index = Index::create().name(name).table(Audit::Table).to_owned();
    for column in columns {
        index.col(*column);
    }
    manager.create_index(index).await
}

#[derive(DeriveIden, Clone, Copy)]
enum Audit {
    Table,
    Id,
    TimeMs,
    Service,
    ActorKind,
    ActorId,
    ActorName,
    Action,
    ResourceKind,
    ResourceId,
    Outcome,
    BeforeJson,
    AfterJson,
    RequestId,
    Address,
}
