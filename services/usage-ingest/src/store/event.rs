//! Storing events once, and comparing the ones that come again.

use std::collections::{BTreeMap, BTreeSet};

use maas_store::StoreError;
use maas_types::Timestamp;
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QuerySelect as _};
use uuid::Uuid;

use super::{
    bulk,
    event_row::{Column, Entity, to_db},
    in_statements,
};
use crate::domain::received::ReceivedEvent;

/// Inserts in the order of the ids and returns the ids that were not there before. Only those may be summed.
pub async fn insert_new(
    transaction: &impl ConnectionTrait,
    events: &BTreeMap<Uuid, &ReceivedEvent>,
    now: Timestamp,
) -> Result<BTreeSet<Uuid>, StoreError> {
    let mut inserted = BTreeSet::new();
    let (columns, rows) = bulk::rows_of(events.values().map(|event| to_db(event, now)));
    let tail = "ON CONFLICT (day, id) DO NOTHING RETURNING id";
    for statement in bulk::insert(transaction.get_database_backend(), "usage_events", &columns, rows, tail) {
        for row in transaction.query_all_raw(statement).await? {
            inserted.insert(row.try_get_by::<Uuid, _>("id")?);
        }
    }
    Ok(inserted)
}

/// The digests of the contents that the events of the given (day, id) pairs were first booked with.
pub async fn fingerprints(
    transaction: &impl ConnectionTrait,
    ids: &BTreeSet<(i32, Uuid)>,
) -> Result<BTreeMap<Uuid, Vec<u8>>, StoreError> {
    let mut fingerprints = BTreeMap::new();
    let ids: Vec<_> = ids.iter().copied().collect();
    for chunk in in_statements(&ids) {
        let days: BTreeSet<i32> = chunk.iter().map(|(day, _)| *day).collect();
        let rows: Vec<(Uuid, Vec<u8>)> = Entity::find()
            .select_only()
            .columns([Column::Id, Column::ContentHash])
            .filter(Column::Day.is_in(days))
            .filter(Column::Id.is_in(chunk.iter().map(|(_, id)| *id)))
            .into_tuple()
            .all(transaction)
            .await?;
        fingerprints.extend(rows);
    }
    Ok(fingerprints)
}
