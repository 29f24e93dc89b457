//! The transactional outbox: a change and what it tells others commit together; a relay delivers afterwards.
//!
//! Guarantee: what was appended in a transaction that committed is delivered at least once, in no particular order
//! between transactions (commit order is not id order, so the relay never remembers "the last id"; it takes any row
//! that is there). Consumers are idempotent and state values carry versions. If the process dies between delivery
//! and deletion, the row is delivered again. If the bus is away, rows stay and the relay tries again.

mod entity;
mod relay;

use std::sync::Arc;

use maas_events::Delivery;
use maas_types::Timestamp;
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait};
use sea_orm_migration::{prelude::*, schema::*};
use tokio::sync::Notify;
use uuid::Uuid;

pub use relay::{Relay, RelayProgress};

use crate::{
    connection::Database,
    error::{StoreError, classify},
};

/// Wakes the relay of this process after a commit, so that nobody waits for its next look.
#[derive(Clone, Debug, Default)]
pub struct OutboxSignal(Arc<Notify>);

impl OutboxSignal {
    pub fn wake(&self) {
        self.0.notify_one();
    }

    pub(crate) async fn woken(&self) {
        self.0.notified().await;
    }
}

/// The outbox of a service, for what is told without a change: a refused call changes nothing.
#[derive(Clone, Debug)]
pub struct Outbox {
    database: Database,
    signal: OutboxSignal,
}

impl Outbox {
    pub fn new(database: Database, signal: OutboxSignal) -> Self {
        Self { database, signal }
    }

    /// Durable when it returns; all of it or nothing.
    pub async fn tell(&self, deliveries: Vec<Delivery>, now: Timestamp) -> Result<(), StoreError> {
        append(self.database.writer(), deliveries, now).await?;
        self.signal.wake();
        Ok(())
    }
}

/// Appends what the surrounding transaction has to tell. Pass the transaction, and call [`OutboxSignal::wake`] once
/// it has committed.
pub async fn append(
    transaction: &impl ConnectionTrait,
    deliveries: impl IntoIterator<Item = Delivery>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows: Vec<_> = deliveries.into_iter().map(|delivery| row(delivery, now)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    entity::Entity::insert_many(rows).exec_without_returning(transaction).await.map_err(classify)?;
    Ok(())
}

fn row(delivery: Delivery, now: Timestamp) -> entity::ActiveModel {
    let base = entity::ActiveModel {
        id: Set(Uuid::now_v7()),
        created_at: Set(now.unix_ms()),
        headers: Set(String::new()),
        ..Default::default()
    };
    match delivery {
        Delivery::Message { subject, id, headers, payload } => entity::ActiveModel {
            kind: Set(entity::MESSAGE),
            target: Set(subject),
            delivery_key: Set(id),
            version: Set(0),
            headers: Set(entity::headers_to_db(&headers)),
            payload: Set(payload.to_vec()),
            ..base
        },
        Delivery::State { bucket, key, version, value } => entity::ActiveModel {
            kind: Set(entity::STATE),
            target: Set(bucket.as_str().to_owned()),
            delivery_key: Set(key),
            version: Set(crate::ids::unsigned_to_db(version)),
            payload: Set(value.to_vec()),
            ..base
        },
    }
}

/// Creates the outbox table; part of each service's first migration.
pub async fn create_table(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(OutboxTable::Table)
        .col(uuid(OutboxTable::Id).primary_key())
        .col(small_integer(OutboxTable::Kind))
        .col(string(OutboxTable::Target))
        .col(string(OutboxTable::DeliveryKey))
        .col(big_integer(OutboxTable::Version))
        .col(text(OutboxTable::Headers))
        .col(blob(OutboxTable::Payload))
        .col(big_integer(OutboxTable::CreatedAt))
        .to_owned();
    manager.create_table(table).await
}

/// The reverse of [`create_table`].
pub async fn drop_table(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager.drop_table(Table::drop().table(OutboxTable::Table).to_owned()).await
}

#[derive(DeriveIden)]
enum OutboxTable {
    #[sea_orm(iden = "outbox")]
    Table,
    Id,
    Kind,
    Target,
    DeliveryKey,
    Version,
    Headers,
    Payload,
    CreatedAt,
}
