//! What a user is besides a local person: where they sign in, what an admin and what their groups gave them, their
//! groups, and a text in which they are found.

use sea_orm_migration::{prelude::*, schema::*, sea_orm::DatabaseBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column per statement.
        for mut column in columns() {
            let add = Table::alter().table(Users::Table).add_column(&mut column).to_owned();
            manager.alter_table(add).await?;
        }
        let db = manager.get_connection();
        db.execute_unprepared("UPDATE users SET granted_role = role").await?;
        let named = "UPDATE users SET search_text = LOWER(user_name || ' ' || COALESCE(display_name, ''))";
        db.execute_unprepared(named).await?;
        for (name, sql) in INDEXES {
            let unique = if name.ends_with("_unique") { "UNIQUE " } else { "" };
            db.execute_unprepared(&format!("CREATE {unique}INDEX {name} ON users {sql}")).await?;
        }
        create_groups(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(UserGroups::Table).to_owned()).await?;
        for (name, _) in INDEXES {
            manager.get_connection().execute_unprepared(&format!("DROP INDEX {name}")).await?;
        }
        let names = [
            Users::Kind,
            Users::ProviderId,
            Users::GrantedRole,
            Users::GroupRole,
            Users::DefaultTeamId,
            Users::ServiceTeamId,
            Users::ProviderName,
            Users::InvitedName,
            Users::SearchText,
        ];
        for name in names {
            let drop = Table::alter().table(Users::Table).drop_column(name).to_owned();
            manager.alter_table(drop).await?;
        }
        Ok(())
    }
}

fn columns() -> Vec<ColumnDef> {
    vec![
        string(Users::Kind).default("user").take(),
        string(Users::ProviderId).default("local").take(),
        string(Users::GrantedRole).default("user").take(),
        string_null(Users::GroupRole).take(),
        uuid_null(Users::DefaultTeamId).take(),
        uuid_null(Users::ServiceTeamId).take(),
        string_null(Users::ProviderName).take(),
        string_null(Users::InvitedName).take(),
        text(Users::SearchText).default("").take(),
    ]
}

/// Each order and filter of the list of users ends in the key of its pages. In SQL, since the builder has no index
/// over an expression.
const INDEXES: [(&str, &str); 7] = [
    ("users_role_page", "(role, created_at, id)"),
    ("users_status_page", "(status, created_at, id)"),
    ("users_provider_page", "(provider_id, created_at, id)"),
    ("users_kind_page", "(kind, created_at, id)"),
    ("users_last_sign_in_page", "(COALESCE(last_sign_in_at, 0), id)"),
    ("users_default_team", "(default_team_id)"),
    ("users_issuer_invited_name_unique", "(issuer, invited_name)"),
];

async fn create_groups(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    // As the database compares bytes, whatever its locale is: names of groups are exact.
    let mut group = string(UserGroups::GroupName).take();
    if manager.get_database_backend() == DatabaseBackend::Postgres {
        group = group.extra("COLLATE \"C\"").take();
    }
    let user = ForeignKey::create()
        .name("user_groups_user_id")
        .from(UserGroups::Table, UserGroups::UserId)
        .to(Users::Table, Users::Id)
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned();
    let table = Table::create()
        .table(UserGroups::Table)
        .col(uuid(UserGroups::UserId))
        .col(group)
        .primary_key(Index::create().col(UserGroups::UserId).col(UserGroups::GroupName))
        .foreign_key(&mut user.clone())
        .to_owned();
    manager.create_table(table).await?;
    let by_group = Index::create()
        .name("user_groups_by_group")
        .table(UserGroups::Table)
        .col(UserGroups::GroupName)
        .col(UserGroups::UserId)
        .to_owned();
    manager.create_index(by_group).await
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
    Kind,
    ProviderId,
    GrantedRole,
    GroupRole,
    DefaultTeamId,
    ServiceTeamId,
    ProviderName,
    InvitedName,
    SearchText,
}

#[derive(DeriveIden)]
enum UserGroups {
    Table,
    UserId,
    GroupName,
}
