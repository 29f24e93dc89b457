use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(Users::Table)
            .col(uuid(Users::Id).primary_key())
            .col(big_integer(Users::Version))
            .col(string(Users::UserName).unique_key())
            .col(string_null(Users::DisplayName))
            .col(string(Users::Issuer))
            .col(string(Users::Subject))
            .col(string(Users::Status))
            .col(string(Users::Role))
            .col(text_null(Users::PasswordHash))
            .col(boolean(Users::MustChangePassword))
            .col(big_integer(Users::TokensValidFromMs))
            .col(big_integer(Users::CreatedAt))
            .col(big_integer(Users::UpdatedAt))
            .col(big_integer_null(Users::LastSignInAt))
            .to_owned();
        manager.create_table(table).await?;
        let identity = Index::create()
            .name("users_issuer_subject")
            .table(Users::Table)
            .col(Users::Issuer)
            .col(Users::Subject)
            .unique()
            .to_owned();
        manager.create_index(identity).await?;
        let page = Index::create()
            .name("users_created_at_id")
            .table(Users::Table)
            .col(Users::CreatedAt)
            .col(Users::Id)
            .to_owned();
        manager.create_index(page).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Users::Table).to_owned()).await
    }
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
    Version,
    UserName,
    DisplayName,
    Issuer,
    Subject,
    Status,
    Role,
    PasswordHash,
    MustChangePassword,
    TokensValidFromMs,
    CreatedAt,
    UpdatedAt,
    LastSignInAt,
}
