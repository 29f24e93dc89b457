//! Who has access to which model, how it came to that, and the plans.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [subscriptions(), transitions(), seen_models(), plans(), requests()] {
            manager.create_table(table).await?;
        }
        for (name, sql) in INDEXES {
            manager.get_connection().execute_unprepared(&format!("CREATE {name} ON {sql}")).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            manager.drop_table(Table::drop().table(Alias::new(table)).to_owned()).await?;
        }
        Ok(())
    }
}

const TABLES: [&str; 5] = ["access_requests", "plans", "seen_models", "subscription_transitions", "subscriptions"];

/// In SQL, since the builder has no index over a part of a table.
const INDEXES: [(&str, &str); 8] = [
    // One subscription for each pair.
    ("UNIQUE INDEX subscriptions_by_subscriber", "subscriptions (subscriber_id, model_id)"),
    // Ids carry the time, so that they are the order of lists.
    ("INDEX subscriptions_by_status", "subscriptions (status, id)"),
    ("INDEX subscriptions_by_model", "subscriptions (model_id, status, id)"),
    ("INDEX subscriptions_by_end", "subscriptions (expires_at) WHERE status = 'active' AND expires_at IS NOT NULL"),
    ("UNIQUE INDEX plans_by_name", "plans (name) WHERE deleted_at IS NULL"),
    ("UNIQUE INDEX plans_by_level", "plans (level) WHERE deleted_at IS NULL"),
    // At most one default plan; that there is one is the rule of the use cases.
    ("UNIQUE INDEX plans_default", "plans (is_default) WHERE is_default AND deleted_at IS NULL"),
    ("INDEX access_requests_by_age", "access_requests (created_at)"),
];

fn subscriptions() -> TableCreateStatement {
    Table::create()
        .table(Subscriptions::Table)
        .col(uuid(Subscriptions::Id).primary_key())
        .col(big_integer(Subscriptions::Version))
        .col(string(Subscriptions::SubscriberKind))
        .col(uuid(Subscriptions::SubscriberId))
        .col(uuid(Subscriptions::ModelId))
        .col(text(Subscriptions::ModelName))
        .col(big_integer(Subscriptions::ModelVersion))
        .col(string(Subscriptions::Status))
        .col(text(Subscriptions::Reason))
        .col(big_integer_null(Subscriptions::ExpiresAt))
        .col(big_integer(Subscriptions::CreatedAt))
        .col(big_integer(Subscriptions::UpdatedAt))
        .col(uuid_null(Subscriptions::CreatedBy))
        .to_owned()
}

fn transitions() -> TableCreateStatement {
    Table::create()
        .table(SubscriptionTransitions::Table)
        .col(uuid(SubscriptionTransitions::SubscriptionId))
        .col(big_integer(SubscriptionTransitions::Version))
        .col(string_null(SubscriptionTransitions::FromStatus))
        .col(string(SubscriptionTransitions::ToStatus))
        .col(uuid_null(SubscriptionTransitions::ActorId))
        .col(text(SubscriptionTransitions::ActorName))
        .col(text(SubscriptionTransitions::Reason))
        .col(big_integer(SubscriptionTransitions::At))
        .primary_key(Index::create().col(SubscriptionTransitions::SubscriptionId).col(SubscriptionTransitions::Version))
        .to_owned()
}

fn seen_models() -> TableCreateStatement {
    Table::create()
        .table(SeenModels::Table)
        .col(uuid(SeenModels::ModelId).primary_key())
        .col(big_integer(SeenModels::Version))
        .col(boolean(SeenModels::Restricted))
        .col(big_integer_null(SeenModels::RestrictedSince))
        .to_owned()
}

fn plans() -> TableCreateStatement {
    Table::create()
        .table(Plans::Table)
        .col(uuid(Plans::Id).primary_key())
        .col(big_integer(Plans::Version))
        .col(text(Plans::Name))
        .col(big_integer(Plans::Level))
        .col(text(Plans::Groups))
        .col(text_null(Plans::Models))
        .col(boolean(Plans::IsDefault))
        .col(big_integer(Plans::CreatedAt))
        .col(big_integer(Plans::UpdatedAt))
        .col(big_integer_null(Plans::DeletedAt))
        .to_owned()
}

fn requests() -> TableCreateStatement {
    Table::create()
        .table(AccessRequests::Table)
        .col(uuid(AccessRequests::CallerId))
        .col(string(AccessRequests::Kind))
        .col(blob(AccessRequests::KeyHash))
        .col(uuid(AccessRequests::ResourceId))
        .col(big_integer(AccessRequests::CreatedAt))
        .primary_key(
            Index::create().col(AccessRequests::CallerId).col(AccessRequests::Kind).col(AccessRequests::KeyHash),
        )
        .to_owned()
}

#[derive(DeriveIden)]
enum Subscriptions {
    Table,
    Id,
    Version,
    SubscriberKind,
    SubscriberId,
    ModelId,
    ModelName,
    ModelVersion,
    Status,
    Reason,
    ExpiresAt,
    CreatedAt,
    UpdatedAt,
    CreatedBy,
}

#[derive(DeriveIden)]
enum SubscriptionTransitions {
    Table,
    SubscriptionId,
    Version,
    FromStatus,
    ToStatus,
    ActorId,
    ActorName,
    Reason,
    At,
}

#[derive(DeriveIden)]
enum SeenModels {
    Table,
    ModelId,
    Version,
    Restricted,
    RestrictedSince,
}

#[derive(DeriveIden)]
enum Plans {
    Table,
    Id,
    Version,
    Name,
    Level,
    Groups,
    Models,
    IsDefault,
    CreatedAt,
    UpdatedAt,
    DeletedAt,
}

#[derive(DeriveIden)]
enum AccessRequests {
    Table,
    CallerId,
    Kind,
    KeyHash,
    ResourceId,
    CreatedAt,
}
