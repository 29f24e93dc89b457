//! Counting revocations, and what came after a counter.

use std::time::Duration;

use maas_store::{StoreError, classify, ids::unsigned_from_db, ids::unsigned_to_db};
use maas_types::Timestamp;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait as _, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use uuid::Uuid;

use super::tables::{COUNTER_ROW, counter, revocation};
use crate::wire::Mark;

/// How long a revocation is listed. A proxy that was away for longer loads everything anew.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Rows of one INSERT; SQLite takes a limited number of values.
const INSERT_ROWS: usize = 1_000;

/// Counts the revocation of `subjects` in the transaction that makes it, and returns the mark that confirms all of them
/// ([`super::Fleet::wait_for`], after the commit). Nothing to revoke counts nothing.
///
/// Call it **last** in the transaction: from here to its end all other revocations wait.
pub async fn record(transaction: &impl ConnectionTrait, subjects: &[Uuid], now: Timestamp) -> Result<Mark, StoreError> {
    let count = unsigned_to_db(subjects.len() as u64);
    let counted = counter::Entity::update_many()
        .col_expr(counter::Column::Counter, Expr::col(counter::Column::Counter).add(count))
        .filter(counter::Column::Id.eq(COUNTER_ROW))
        .exec_with_returning(transaction)
        .await
        .map_err(classify)?;
    let row = counted.into_iter().next().ok_or_else(missing_row)?;
    let first = row.counter - count + 1;
    let rows: Vec<_> = (first..)
        .zip(subjects)
        .map(|(counter, subject)| revocation::ActiveModel {
            counter: Set(counter),
            subject: Set(*subject),
            at: Set(now.unix_ms()),
        })
        .collect();
    for chunk in rows.chunks(INSERT_ROWS) {
        let insert = revocation::Entity::insert_many(chunk.iter().cloned());
        insert.exec_without_returning(transaction).await.map_err(classify)?;
    }
    mark_from_db(row)
}

/// Begins a new epoch: every proxy loads all values anew. For a database that was restored from a copy, whose counter
/// has gone back. With `seen`, only if that is still the epoch.
pub async fn renew_epoch(connection: &impl ConnectionTrait, seen: Option<Uuid>) -> Result<(), StoreError> {
    let mut renew = counter::Entity::update_many()
        .col_expr(counter::Column::Epoch, Expr::value(Uuid::new_v4()))
        .filter(counter::Column::Id.eq(COUNTER_ROW));
    if let Some(seen) = seen {
        renew = renew.filter(counter::Column::Epoch.eq(seen));
    }
    renew.exec(connection).await.map(|_| ()).map_err(classify)
}

/// The last mark that is durable.
pub async fn latest(connection: &impl ConnectionTrait) -> Result<Mark, StoreError> {
    let row = counter::Entity::find_by_id(COUNTER_ROW).one(connection).await.map_err(classify)?;
    mark_from_db(row.ok_or_else(missing_row)?)
}

/// The first counters after `after`, each with its subject, none above `latest`.
pub async fn listed(
    connection: &impl ConnectionTrait,
    after: u64,
    latest: u64,
    limit: u64,
) -> Result<Vec<(u64, Uuid)>, StoreError> {
    let rows = revocation::Entity::find()
        .filter(revocation::Column::Counter.gt(unsigned_to_db(after)))
        .filter(revocation::Column::Counter.lte(unsigned_to_db(latest)))
        .order_by_asc(revocation::Column::Counter)
        .limit(limit)
        .all(connection)
        .await
        .map_err(classify)?;
    rows.into_iter()
        .map(|row| Ok((unsigned_from_db("revocations", "counter", row.counter, row.counter)?, row.subject)))
        .collect()
}

/// The counter up to which nothing is listed any more.
pub async fn forgotten(connection: &impl ConnectionTrait, latest: u64) -> Result<u64, StoreError> {
    let first = listed(connection, 0, latest, 1).await?;
    Ok(first.first().map_or(latest, |(counter, _)| counter.saturating_sub(1)))
}

/// Forgets what is older than [`REMEMBERED_FOR`].
pub async fn prune(connection: &impl ConnectionTrait, now: Timestamp) -> Result<u64, StoreError> {
    let before = now.minus(REMEMBERED_FOR).unix_ms();
    let old = revocation::Entity::delete_many().filter(revocation::Column::At.lt(before));
    old.exec(connection).await.map(|deleted| deleted.rows_affected).map_err(classify)
}

fn mark_from_db(row: counter::Model) -> Result<Mark, StoreError> {
    let counter = unsigned_from_db("revocation_counter", "counter", row.id, row.counter)?;
    Ok(Mark { epoch: row.epoch, counter })
}

fn missing_row() -> StoreError {
    StoreError::corrupt("revocation_counter", "id", COUNTER_ROW)
}
