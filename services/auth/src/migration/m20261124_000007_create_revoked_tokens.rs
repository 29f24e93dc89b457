//! Access tokens that were withdrawn one by one, until they expire.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let user = ForeignKey::create()
            .name("revoked_tokens_user_id")
            .from(RevokedTokens::Table, RevokedTokens::UserId)
            .to(Users::Table, Users::Id)
            .on_delete(ForeignKeyAction::Cascade)
            .to_owned();
        let table = Table::create()
            .table(RevokedTokens::Table)
            .col(uuid(RevokedTokens::UserId))
            .col(uuid(RevokedTokens::TokenId))
            .col(big_integer(RevokedTokens::ExpiresAt))
            .primary_key(Index::create().col(RevokedTokens::UserId).col(RevokedTokens::TokenId))
            .foreign_key(&mut user.clone())
            .to_owned();
        manager.create_table(table).await?;
        let by_end = Index::create()
            .name("revoked_tokens_expires_at_index")
            .table(RevokedTokens::Table)
            .col(RevokedTokens::ExpiresAt)
            .to_owned();
        manager.create_index(by_end).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(RevokedTokens::Table).to_owned()).await
    }
}

#[derive(DeriveIden)]
enum RevokedTokens {
    Table,
    UserId,
    TokenId,
    ExpiresAt,
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
}
