//! Organisations, teams and who is in them.

use sea_orm_migration::{prelude::*, schema::*, sea_orm::Statement};

use crate::domain::team::{DEFAULT_ORGANISATION, DEFAULT_ORGANISATION_NAME};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_organisations(manager).await?;
        create_teams(manager).await?;
        create_members(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(TeamMembers::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Teams::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Organisations::Table).to_owned()).await
    }
}

async fn create_organisations(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(Organisations::Table)
        .col(uuid(Organisations::Id).primary_key())
        .col(big_integer(Organisations::Version))
        .col(string(Organisations::Name).unique_key())
        .col(big_integer(Organisations::CreatedAt))
        .col(big_integer(Organisations::UpdatedAt))
        .to_owned();
    manager.create_table(table).await?;
    let first = Query::insert()
        .into_table(Organisations::Table)
        .columns([
            Organisations::Id,
            Organisations::Version,
            Organisations::Name,
            Organisations::CreatedAt,
            Organisations::UpdatedAt,
        ])
        .values_panic([
            DEFAULT_ORGANISATION.uuid().into(),
            1_i64.into(),
            DEFAULT_ORGANISATION_NAME.into(),
            0_i64.into(),
            0_i64.into(),
        ])
        .to_owned();
    let db = manager.get_connection();
    let statement: Statement = db.get_database_backend().build(&first);
    db.execute_raw(statement).await.map(|_| ())
}

async fn create_teams(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let organisation = ForeignKey::create()
        .name("teams_organisation_id")
        .from(Teams::Table, Teams::OrganisationId)
        .to(Organisations::Table, Organisations::Id)
        .to_owned();
    let table = Table::create()
        .table(Teams::Table)
        .col(uuid(Teams::Id).primary_key())
        .col(big_integer(Teams::Version))
        .col(string(Teams::Name))
        .col(text(Teams::Description))
        .col(string(Teams::CostCentre))
        .col(uuid(Teams::OrganisationId))
        .col(big_integer(Teams::CreatedAt))
        .col(big_integer(Teams::UpdatedAt))
        .col(big_integer_null(Teams::DeletedAt))
        .foreign_key(&mut organisation.clone())
        .to_owned();
    manager.create_table(table).await?;
    // In SQL, since the builder has no index over a part of the rows: the name of a deleted team is free again.
    let db = manager.get_connection();
    db.execute_unprepared("CREATE UNIQUE INDEX teams_name ON teams (name) WHERE deleted_at IS NULL").await?;
    let page = Index::create().name("teams_page").table(Teams::Table).col(Teams::CreatedAt).col(Teams::Id).to_owned();
    manager.create_index(page).await?;
    let by_organisation =
        Index::create().name("teams_by_organisation").table(Teams::Table).col(Teams::OrganisationId).to_owned();
    manager.create_index(by_organisation).await
}

async fn create_members(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut team = ForeignKey::create()
        .name("team_members_team_id")
        .from(TeamMembers::Table, TeamMembers::TeamId)
        .to(Teams::Table, Teams::Id)
        .to_owned();
    let mut user = ForeignKey::create()
        .name("team_members_user_id")
        .from(TeamMembers::Table, TeamMembers::UserId)
        .to(Users::Table, Users::Id)
        .to_owned();
    let key = Index::create().col(TeamMembers::TeamId).col(TeamMembers::UserId).col(TeamMembers::Source).to_owned();
    let table = Table::create()
        .table(TeamMembers::Table)
        .col(uuid(TeamMembers::TeamId))
        .col(uuid(TeamMembers::UserId))
        .col(string(TeamMembers::Source))
        .col(string(TeamMembers::Role))
        .col(big_integer(TeamMembers::CreatedAt))
        .primary_key(&mut key.clone())
        .foreign_key(&mut team)
        .foreign_key(&mut user)
        .to_owned();
    manager.create_table(table).await?;
    let by_user =
        Index::create().name("team_members_by_user").table(TeamMembers::Table).col(TeamMembers::UserId).to_owned();
    manager.create_index(by_user).await
}

#[derive(DeriveIden)]
enum Organisations {
    Table,
    Id,
    Version,
    Name,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum Teams {
    Table,
    Id,
    Version,
    Name,
    Description,
    CostCentre,
    OrganisationId,
    CreatedAt,
    UpdatedAt,
    DeletedAt,
}

#[derive(DeriveIden)]
enum TeamMembers {
    Table,
    TeamId,
    UserId,
    Source,
    Role,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
}
