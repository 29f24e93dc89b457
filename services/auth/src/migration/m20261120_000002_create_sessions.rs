use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let user = ForeignKey::create()
            .name("sessions_user_id")
            .from(Sessions::Table, Sessions::UserId)
            .to(Users::Table, Users::Id)
            .on_delete(ForeignKeyAction::Cascade)
            .to_owned();
        let table = Table::create()
            .table(Sessions::Table)
            .col(uuid(Sessions::Id).primary_key())
            .col(var_binary(Sessions::SecretDigest, 32).unique_key())
            .col(uuid(Sessions::UserId))
            .col(big_integer(Sessions::CreatedAt))
            .col(big_integer(Sessions::LastSeenAt))
            .col(big_integer(Sessions::ExpiresAt))
            .col(string(Sessions::Address))
            .col(string(Sessions::UserAgent))
            .foreign_key(&mut user.clone())
            .to_owned();
        manager.create_table(table).await?;
        let by_user =
            Index::create().name("sessions_user_id_index").table(Sessions::Table).col(Sessions::UserId).to_owned();
        manager.create_index(by_user).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Sessions::Table).to_owned()).await
    }
}

#[derive(DeriveIden)]
enum Sessions {
    Table,
    Id,
    SecretDigest,
    UserId,
    CreatedAt,
    LastSeenAt,
    ExpiresAt,
    Address,
    UserAgent,
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
}
