//! Writing the audit book, and the lines of its days.
//!
//! Guarantee: entries, their places in the chain and the line of their day commit together. One transaction at a time
//! writes the book, with any number of replicas; an id that is there already is not stored again.

use std::collections::HashSet;

use maas_store::{
    StoreError, classify,
    ids::{time_from_db, unsigned_from_db, unsigned_to_db},
};
use maas_types::{Timestamp, UtcDay};
use sea_orm::{
    ActiveValue::Set, Condition, DatabaseBackend, IntoActiveModel as _, QueryOrder, QuerySelect, Statement,
    entity::prelude::*, sea_query::OnConflict,
};

use super::{
    entity::{Column, Entity, Model, day},
    to_row,
};
use crate::domain::{
    audit::AuditEntry,
    audit_chain::{ChainCheck, ChainDigest, ChainLink, DayLine},
};

const TABLE: &str = "audit";
const DAYS: &str = "audit_days";
/// Rows that are read at once.
const PAGE: u64 = 1_000;

/// Waits until this transaction is the only one that writes the book; released with the transaction.
pub async fn hold_book(transaction: &impl ConnectionTrait) -> Result<(), StoreError> {
    // SQLite: one process and one writing connection, which is the same.
    if transaction.get_database_backend() != DatabaseBackend::Postgres {
        return Ok(());
    }
    // A holder whose machine vanished would hold it until TCP notices, which can take hours: the server ends its
    // transaction instead.
    let sql = "SELECT set_config('idle_in_transaction_session_timeout', '15s', true), \
               pg_advisory_xact_lock(hashtext('maas-audit-book'))";
    transaction.execute_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await.map_err(classify)?;
    Ok(())
}

/// Adds the entries whose ids are not there yet, in their order, at the end of `today`. A clock that went back goes on
/// with the newest day that there is. The book must be held.
pub async fn append(
    transaction: &impl ConnectionTrait,
    entries: &[AuditEntry],
    today: UtcDay,
) -> Result<(), StoreError> {
    let mut known = known_ids(transaction, entries).await?;
    let new: Vec<&AuditEntry> = entries.iter().filter(|entry| known.insert(entry.id.uuid())).collect();
    if new.is_empty() {
        return Ok(());
    }
    let mut line = match last_line(transaction).await? {
        Some(last) if last.day >= today => last,
        last => DayLine::after(last.as_ref(), today),
    };
    let rows = new.into_iter().map(|entry| linked(to_row(entry), &mut line).into_active_model());
    Entity::insert_many(rows).exec_without_returning(transaction).await.map_err(classify)?;
    save(transaction, &line).await
}

async fn known_ids(db: &impl ConnectionTrait, entries: &[AuditEntry]) -> Result<HashSet<Uuid>, StoreError> {
    let ids = entries.iter().map(|entry| entry.id.uuid());
    let known = Entity::find().select_only().column(Column::Id).filter(Column::Id.is_in(ids));
    Ok(known.into_tuple::<Uuid>().all(db).await.map_err(classify)?.into_iter().collect())
}

fn linked(row: Model, line: &mut DayLine) -> Model {
    let link = line.append(&row.text());
    Model { day: link.day.0, sequence: unsigned_to_db(link.sequence), digest: link.digest.to_vec(), ..row }
}

async fn last_line(db: &impl ConnectionTrait) -> Result<Option<DayLine>, StoreError> {
    one(day::Entity::find().order_by_desc(day::Column::Day), db).await
}

/// The line of a day, of the nearest one before it and of the nearest one after it.
pub async fn lines_around(
    db: &impl ConnectionTrait,
    wanted: UtcDay,
) -> Result<(Option<DayLine>, Option<DayLine>, Option<DayLine>), StoreError> {
    let earlier = day::Entity::find().filter(day::Column::Day.lt(wanted.0)).order_by_desc(day::Column::Day);
    let later = day::Entity::find().filter(day::Column::Day.gt(wanted.0)).order_by_asc(day::Column::Day);
    // The later one first: when it is there, the others no longer grow.
    let later = one(later, db).await?;
    Ok((line_of(db, wanted).await?, one(earlier, db).await?, later))
}

pub async fn line_of(db: &impl ConnectionTrait, wanted: UtcDay) -> Result<Option<DayLine>, StoreError> {
    one(day::Entity::find_by_id(wanted.0), db).await
}

async fn one(query: Select<day::Entity>, db: &impl ConnectionTrait) -> Result<Option<DayLine>, StoreError> {
    query.limit(1).one(db).await.map_err(classify)?.map(line_from_db).transpose()
}

async fn save(db: &impl ConnectionTrait, line: &DayLine) -> Result<(), StoreError> {
    let row = day::ActiveModel {
        day: Set(line.day.0),
        previous_digest: Set(line.previous.to_vec()),
        entries: Set(unsigned_to_db(line.entries)),
        digest: Set(line.digest.to_vec()),
        removed_at: Set(None),
    };
    let newer = [day::Column::Entries, day::Column::Digest];
    let replace = OnConflict::column(day::Column::Day).update_columns(newer).to_owned();
    day::Entity::insert(row).on_conflict(replace).exec_without_returning(db).await.map_err(classify)?;
    Ok(())
}

/// Shows the check all entries of the day that its line counts, page by page.
pub async fn check_entries(
    db: &impl ConnectionTrait,
    line: &DayLine,
    check: &mut ChainCheck,
) -> Result<(), StoreError> {
    let of_day = || Entity::find().filter(Column::Day.eq(line.day.0)).order_by_asc(Column::Sequence);
    let mut after = 0;
    loop {
        let until = unsigned_to_db(line.entries);
        let page = of_day().filter(Column::Sequence.gt(after)).filter(Column::Sequence.lte(until));
        let rows = page.limit(PAGE).all(db).await.map_err(classify)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.sequence;
        for row in &rows {
            check.see(link_from_db(row)?, &row.text());
        }
    }
}

/// The least and the greatest sequence number of the day that is not from 1 to `entries`.
pub async fn beyond(db: &impl ConnectionTrait, wanted: UtcDay, entries: u64) -> Result<Option<(u64, u64)>, StoreError> {
    let above = Column::Sequence.gt(unsigned_to_db(entries));
    let outside = Condition::any().add(Column::Sequence.lt(1)).add(above);
    let found = Entity::find()
        .select_only()
        .column_as(Column::Sequence.min(), "first")
        .column_as(Column::Sequence.max(), "last")
        .filter(Column::Day.eq(wanted.0))
        .filter(outside);
    let found = found.into_tuple::<(Option<i64>, Option<i64>)>().one(db).await.map_err(classify)?;
    let number = |value: i64| u64::try_from(value).unwrap_or(0);
    Ok(found.and_then(|(first, last)| first.zip(last)).map(|(first, last)| (number(first), number(last))))
}

/// Drops the entries of the oldest day before `first_kept` that still has them, and keeps its line. The book must be
/// held. None: there is no such day.
pub async fn remove_oldest_day(
    transaction: &impl ConnectionTrait,
    first_kept: UtcDay,
    now: Timestamp,
) -> Result<Option<DayLine>, StoreError> {
    let due = day::Entity::find()
        .filter(day::Column::Day.lt(first_kept.0))
        .filter(day::Column::RemovedAt.is_null())
        .order_by_asc(day::Column::Day);
    let Some(line) = one(due, transaction).await? else { return Ok(None) };
    Entity::delete_many().filter(Column::Day.eq(line.day.0)).exec(transaction).await.map_err(classify)?;
    let removed = day::ActiveModel { day: Set(line.day.0), removed_at: Set(Some(now.unix_ms())), ..Default::default() };
    day::Entity::update(removed).exec(transaction).await.map_err(classify)?;
    Ok(Some(DayLine { removed_at: Some(now), ..line }))
}

fn link_from_db(row: &Model) -> Result<ChainLink, StoreError> {
    Ok(ChainLink {
        day: UtcDay(row.day),
        sequence: unsigned_from_db(TABLE, "sequence", row.id, row.sequence)?,
        // One of another length was written past us, and matches nothing.
        digest: row.digest.as_slice().try_into().unwrap_or_default(),
    })
}

fn line_from_db(row: day::Model) -> Result<DayLine, StoreError> {
    let digest = |bytes: &[u8]| ChainDigest::try_from(bytes).unwrap_or_default();
    Ok(DayLine {
        day: UtcDay(row.day),
        previous: digest(&row.previous_digest),
        entries: unsigned_from_db(DAYS, "entries", row.day, row.entries)?,
        digest: digest(&row.digest),
        removed_at: row.removed_at.map(time_from_db),
    })
}
