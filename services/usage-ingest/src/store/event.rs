//! Storing events once, and comparing the ones that come again.

use std::collections::{BTreeMap, BTreeSet};

use maas_store::StoreError;
use maas_types::{Timestamp, UsageQuality};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QuerySelect as _, QueryTrait as _,
    sea_query::{OnConflict, Query},
};
use uuid::Uuid;

use super::{
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
    let rows: Vec<_> = events.values().map(|event| to_db(event, now)).collect();
    for chunk in in_statements(&rows) {
        let mut insert = Entity::insert_many(chunk.to_vec())
            .on_conflict(OnConflict::columns([Column::Day, Column::Id]).do_nothing().to_owned())
            .into_query();
        insert.returning(Query::returning().column(Column::Id));
        for row in transaction.query_all(&insert).await? {
            inserted.insert(row.try_get_by::<Uuid, _>("id")?);
        }
    }
    Ok(inserted)
}

/// What is booked under an id.
#[derive(Debug, Clone)]
pub struct Booked {
    pub fingerprint: Vec<u8>,
    pub quality: UsageQuality,
}

/// The booked contents of the given (day, id) pairs.
pub async fn booked(
    transaction: &impl ConnectionTrait,
    ids: &BTreeSet<(i32, Uuid)>,
) -> Result<BTreeMap<Uuid, Booked>, StoreError> {
    let mut booked = BTreeMap::new();
    let ids: Vec<_> = ids.iter().copied().collect();
    for chunk in in_statements(&ids) {
        let days: BTreeSet<i32> = chunk.iter().map(|(day, _)| *day).collect();
        let rows: Vec<(Uuid, Vec<u8>, String)> = Entity::find()
            .select_only()
            .columns([Column::Id, Column::ContentHash, Column::Quality])
            .filter(Column::Day.is_in(days))
            .filter(Column::Id.is_in(chunk.iter().map(|(_, id)| *id)))
            .into_tuple()
            .all(transaction)
            .await?;
        for (id, fingerprint, quality) in rows {
            let quality = UsageQuality::parse(&quality);
            let quality = quality.ok_or_else(|| StoreError::corrupt("usage_events", "quality", id))?;
            booked.insert(id, Booked { fingerprint, quality });
        }
    }
    Ok(booked)
}
