//! The three tables; each owner has its own.
//!
//! `revocation_counter` has one row. Who revokes locks it until the commit, so counters become visible in their order
//! and without gaps: who has read one has seen all below it.

use sea_orm::ActiveValue::Set;
use sea_orm_migration::{prelude::*, schema::*, sea_orm::EntityTrait as _};
use uuid::Uuid;

pub mod counter {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "revocation_counter")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i16,
        pub epoch: Uuid,
        pub counter: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod revocation {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "revocations")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub counter: i64,
        pub subject: Uuid,
        /// Unix milliseconds.
        pub at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The proxies that asked, so that every replica knows of those that asked another one.
pub mod poll {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "revocation_polls")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub instance: Uuid,
        pub boot: Uuid,
        pub epoch: Option<Uuid>,
        pub applied: i64,
        /// Unix milliseconds.
        pub seen_at: i64,
        pub max_unconfirmed_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The id of the only row of `revocation_counter`.
pub const COUNTER_ROW: i16 = 1;

/// Creates the tables, with the counter at 0 in a new epoch; for a migration of the owner.
pub async fn create_tables(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let counter = Table::create()
        .table(RevocationCounter::Table)
        .col(small_integer(RevocationCounter::Id).primary_key())
        .col(uuid(RevocationCounter::Epoch))
        .col(big_integer(RevocationCounter::Counter))
        .to_owned();
    manager.create_table(counter).await?;
    let row = counter::ActiveModel { id: Set(COUNTER_ROW), epoch: Set(Uuid::new_v4()), counter: Set(0) };
    counter::Entity::insert(row).exec_without_returning(manager.get_connection()).await?;
    let revocations = Table::create()
        .table(Revocations::Table)
        .col(big_integer(Revocations::Counter).primary_key())
        .col(uuid(Revocations::Subject))
        .col(big_integer(Revocations::At))
        .to_owned();
    manager.create_table(revocations).await?;
    let by_age = Index::create().name("revocations_by_age").table(Revocations::Table).col(Revocations::At).to_owned();
    manager.create_index(by_age).await?;
    manager.create_table(polls_table()).await
}

/// The reverse of [`create_tables`].
pub async fn drop_tables(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager.drop_table(Table::drop().table(RevocationPolls::Table).to_owned()).await?;
    manager.drop_table(Table::drop().table(Revocations::Table).to_owned()).await?;
    manager.drop_table(Table::drop().table(RevocationCounter::Table).to_owned()).await
}

fn polls_table() -> TableCreateStatement {
    Table::create()
        .table(RevocationPolls::Table)
        .col(uuid(RevocationPolls::Instance).primary_key())
        .col(uuid(RevocationPolls::Boot))
        .col(uuid_null(RevocationPolls::Epoch))
        .col(big_integer(RevocationPolls::Applied))
        .col(big_integer(RevocationPolls::SeenAt))
        .col(big_integer(RevocationPolls::MaxUnconfirmedMs))
        .to_owned()
}

#[derive(DeriveIden)]
enum RevocationCounter {
    Table,
    Id,
    Epoch,
    Counter,
}

#[derive(DeriveIden)]
enum Revocations {
    Table,
    Counter,
    Subject,
    At,
}

#[derive(DeriveIden)]
enum RevocationPolls {
    Table,
    Instance,
    Boot,
    Epoch,
    Applied,
    SeenAt,
    MaxUnconfirmedMs,
}
