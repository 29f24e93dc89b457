//! What groups give, and the row that keeps sign-ins and changes of it apart.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut team = ForeignKey::create()
            .name("group_mappings_team_id")
            .from(GroupMappings::Table, GroupMappings::TeamId)
            .to(Teams::Table, Teams::Id)
            .to_owned();
        let table = Table::create()
            .table(GroupMappings::Table)
            .col(uuid(GroupMappings::Id).primary_key())
            .col(big_integer(GroupMappings::Version))
            .col(string(GroupMappings::GroupName))
            .col(string_null(GroupMappings::ProviderId))
            .col(string_null(GroupMappings::Role))
            .col(uuid_null(GroupMappings::TeamId))
            .col(string_null(GroupMappings::TeamRole))
            .col(big_integer(GroupMappings::CreatedAt))
            .col(big_integer(GroupMappings::UpdatedAt))
            .foreign_key(&mut team)
            .to_owned();
        manager.create_table(table).await?;
        let by_group = Index::create()
            .name("group_mappings_by_group")
            .table(GroupMappings::Table)
            .col(GroupMappings::GroupName)
            .to_owned();
        manager.create_index(by_group).await?;
        let lock =
            Table::create().table(GroupMappingLock::Table).col(integer(GroupMappingLock::Id).primary_key()).to_owned();
        manager.create_table(lock).await?;
        manager.get_connection().execute_unprepared("INSERT INTO group_mapping_lock (id) VALUES (1)").await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(GroupMappingLock::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(GroupMappings::Table).to_owned()).await
    }
}

#[derive(DeriveIden)]
enum GroupMappings {
    Table,
    Id,
    Version,
    GroupName,
    ProviderId,
    Role,
    TeamId,
    TeamRole,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum GroupMappingLock {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum Teams {
    Table,
    Id,
}
