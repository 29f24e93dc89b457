use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(SignInAttempts::Table)
            .col(var_binary(SignInAttempts::StateDigest, 32).primary_key())
            .col(var_binary(SignInAttempts::BrowserDigest, 32))
            .col(string(SignInAttempts::ProviderId))
            .col(string(SignInAttempts::Nonce))
            .col(string(SignInAttempts::PkceVerifier))
            .col(text(SignInAttempts::ReturnTo))
            .col(big_integer(SignInAttempts::CreatedAt))
            .col(big_integer(SignInAttempts::ExpiresAt))
            .to_owned();
        manager.create_table(table).await?;
        // The oldest go, whether they have expired or there are too many.
        let by_age = Index::create()
            .name("sign_in_attempts_created_at")
            .table(SignInAttempts::Table)
            .col(SignInAttempts::CreatedAt)
            .to_owned();
        manager.create_index(by_age).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(SignInAttempts::Table).to_owned()).await
    }
}

#[derive(DeriveIden)]
enum SignInAttempts {
    Table,
    StateDigest,
    BrowserDigest,
    ProviderId,
    Nonce,
    PkceVerifier,
    ReturnTo,
    CreatedAt,
    ExpiresAt,
}
