//! What a key is besides a name and a list of models: its secret before a rotation, where and for what it may be used,
//! whether it is ephemeral, and when it was used last. Labels get a table to be found by, and each order of the list an
//! index.

use sea_orm_migration::{prelude::*, schema::*, sea_orm::DatabaseBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column per statement.
        for mut column in columns() {
            manager.alter_table(Table::alter().table(Keys::Table).add_column(&mut column).to_owned()).await?;
        }
        manager.create_table(key_labels_table()).await?;
        let db = manager.get_connection();
        db.execute_unprepared(copy_labels(manager.get_database_backend())).await?;
        for (name, sql) in INDEXES {
            db.execute_unprepared(&format!("CREATE INDEX {name} ON {sql}")).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, _) in INDEXES {
            manager.get_connection().execute_unprepared(&format!("DROP INDEX {name}")).await?;
        }
        manager.drop_table(Table::drop().table(KeyLabels::Table).to_owned()).await?;
        for column in columns() {
            let name = column.get_column_name();
            let drop = Table::alter().table(Keys::Table).drop_column(Alias::new(name)).to_owned();
            manager.alter_table(drop).await?;
        }
        Ok(())
    }
}

fn columns() -> Vec<ColumnDef> {
    vec![
        blob_null(Keys::PreviousSecretMac).take(),
        integer_null(Keys::PreviousPepperVersion).take(),
        big_integer_null(Keys::PreviousValidUntil).take(),
        string(Keys::OwnerKind).default("user").take(),
        // JSON arrays of texts; null for no restriction.
        text_null(Keys::AllowedCidrs).take(),
        text_null(Keys::AllowedOperations).take(),
        boolean(Keys::Ephemeral).default(false).take(),
        big_integer_null(Keys::LastUsedAt).take(),
        text_null(Keys::LastUsedAddress).take(),
    ]
}

fn key_labels_table() -> TableCreateStatement {
    Table::create()
        .table(KeyLabels::Table)
        .col(uuid(KeyLabels::KeyId))
        .col(text(KeyLabels::Label))
        .col(text(KeyLabels::Value))
        .primary_key(Index::create().col(KeyLabels::KeyId).col(KeyLabels::Label))
        .foreign_key(
            ForeignKey::create()
                .from(KeyLabels::Table, KeyLabels::KeyId)
                .to(Keys::Table, Keys::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn copy_labels(backend: DatabaseBackend) -> &'static str {
    if backend == DatabaseBackend::Postgres {
        "INSERT INTO key_labels (key_id, label, value) \
         SELECT keys.id, pair.key, pair.value FROM keys, json_each_text(keys.labels::json) AS pair"
    } else {
        "INSERT INTO key_labels (key_id, label, value) \
         SELECT keys.id, pair.key, pair.value FROM keys, json_each(keys.labels) AS pair"
    }
}

/// Each order ends in the id, which makes it one. In SQL, since the builder has no index over an expression; the
/// expressions are those of `store/order.rs`.
const INDEXES: [(&str, &str); 9] = [
    ("keys_by_team", "keys (team_id, created_at, id)"),
    ("keys_by_status", "keys (status, created_at, id)"),
    ("keys_by_owner_kind", "keys (owner_kind, created_at, id)"),
    ("keys_by_name", "keys (SUBSTR(LOWER(name), 1, 64), id)"),
    ("keys_by_expiry", "keys (COALESCE(expires_at, 9223372036854775807), id)"),
    ("keys_by_last_use", "keys (COALESCE(last_used_at, 0), id)"),
    ("keys_by_overlap_end", "keys (previous_valid_until) WHERE previous_valid_until IS NOT NULL"),
    ("keys_ephemeral", "keys (created_at, id) WHERE ephemeral"),
    ("key_labels_by_value", "key_labels (label, value, key_id)"),
];

#[derive(DeriveIden)]
enum Keys {
    Table,
    Id,
    PreviousSecretMac,
    PreviousPepperVersion,
    PreviousValidUntil,
    OwnerKind,
    AllowedCidrs,
    AllowedOperations,
    Ephemeral,
    LastUsedAt,
    LastUsedAddress,
}

#[derive(DeriveIden)]
enum KeyLabels {
    Table,
    KeyId,
    Label,
    Value,
}
