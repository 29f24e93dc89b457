//! Producers and their committed sequences.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr as _,
    sync::Arc,
};

use maas_events::SourceId;
use maas_store::{
    StoreError,
    ids::{time_from_db, unsigned_from_db, unsigned_to_db},
};
use maas_types::Timestamp;
use sea_orm::{
    ActiveValue::Set, Condition, ConnectionTrait, QueryOrder as _, QuerySelect as _, entity::prelude::*,
    sea_query::OnConflict,
};

use super::in_statements;
use crate::domain::{
    sequence::SequenceSet,
    source::{Announcement, SourceState},
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_sources")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub source: String,
    pub instance: Uuid,
    pub boot: Uuid,
    pub worker: i64,
    pub committed_through: i64,
    pub announced: i64,
    pub open_requests: i64,
    pub oldest_open_admission: Option<i64>,
    pub last_heartbeat_at: Option<i64>,
    pub last_heard_at: i64,
    pub first_seen_at: i64,
    pub confirmed_until: i64,
    pub pending_sequence: Option<i64>,
    pub pending_confirms_until: Option<i64>,
    pub pending_heard_at: Option<i64>,
    pub closed: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Committed ranges above the watermark.
pub mod range {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "usage_source_ranges")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub source: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub first_sequence: i64,
        pub last_sequence: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub type Sources = BTreeMap<Arc<str>, SourceState>;

const TABLE: &str = "usage_sources";

/// Those of the named sources that are known.
pub async fn load(db: &impl ConnectionTrait, sources: &BTreeSet<Arc<str>>) -> Result<Sources, StoreError> {
    let names: Vec<String> = sources.iter().map(|source| source.to_string()).collect();
    let mut loaded = Sources::new();
    for chunk in in_statements(&names) {
        let rows = Entity::find().filter(Column::Source.is_in(chunk)).all(db).await?;
        loaded.extend(from_db(db, rows).await?);
    }
    Ok(loaded)
}

/// All that were heard of since `since`, and all that still miss something they announced.
pub async fn load_current(db: &impl ConnectionTrait, since: Timestamp) -> Result<Sources, StoreError> {
    let current =
        Condition::any().add(Column::LastHeardAt.gte(since.unix_ms())).add(Column::PendingSequence.is_not_null());
    let rows = Entity::find().filter(current).order_by_asc(Column::Source).all(db).await?;
    from_db(db, rows).await
}

pub(super) async fn from_db(db: &impl ConnectionTrait, rows: Vec<Model>) -> Result<Sources, StoreError> {
    let mut ranges: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    let names: Vec<_> = rows.iter().map(|row| row.source.clone()).collect();
    for chunk in in_statements(&names) {
        let stored: Vec<(String, i64, i64)> = range::Entity::find()
            .select_only()
            .columns([range::Column::Source, range::Column::FirstSequence, range::Column::LastSequence])
            .filter(range::Column::Source.is_in(chunk))
            .into_tuple()
            .all(db)
            .await?;
        for (source, first, last) in stored {
            let first = unsigned_from_db("usage_source_ranges", "first_sequence", &source, first)?;
            let last = unsigned_from_db("usage_source_ranges", "last_sequence", &source, last)?;
            ranges.entry(source).or_default().push((first, last));
        }
    }
    rows.into_iter()
        .map(|row| {
            let above = ranges.remove(&row.source).unwrap_or_default();
            Ok((Arc::from(row.source.as_str()), state_from_db(&row, above)?))
        })
        .collect()
}

fn state_from_db(row: &Model, above: Vec<(u64, u64)>) -> Result<SourceState, StoreError> {
    let count = |column, value| unsigned_from_db(TABLE, column, &row.source, value);
    let pending = match (row.pending_sequence, row.pending_confirms_until, row.pending_heard_at) {
        (Some(last_sequence), Some(confirms_until), Some(heard_at)) => Some(Announcement {
            last_sequence: count("pending_sequence", last_sequence)?,
            confirms_until: time_from_db(confirms_until),
            heard_at: time_from_db(heard_at),
        }),
        (None, None, None) => None,
        _ => return Err(StoreError::corrupt(TABLE, "pending_sequence", &row.source)),
    };
    Ok(SourceState {
        committed: SequenceSet::from_parts(count("committed_through", row.committed_through)?, above),
        announced: count("announced", row.announced)?,
        open_requests: count("open_requests", row.open_requests)?,
        oldest_open_admission: row.oldest_open_admission.map(time_from_db),
        last_heartbeat_at: row.last_heartbeat_at.map(time_from_db),
        last_heard_at: time_from_db(row.last_heard_at),
        first_seen_at: time_from_db(row.first_seen_at),
        confirmed_until: time_from_db(row.confirmed_until),
        pending,
        closed: row.closed,
    })
}

/// Writes the states as they are now, in the order of the names. Under the partition lock, after [`load`] in the same
/// transaction.
pub async fn save(transaction: &impl ConnectionTrait, sources: &Sources) -> Result<(), StoreError> {
    let rows = sources.iter().map(|(source, state)| to_db(source, state)).collect::<Result<Vec<_>, _>>()?;
    let ranges: Vec<_> = sources.iter().flat_map(|(source, state)| ranges_to_db(source, state)).collect();
    let overwrite = OnConflict::column(Column::Source).update_columns(MUTABLE).to_owned();
    for chunk in in_statements(&rows) {
        Entity::insert_many(chunk.to_vec()).on_conflict(overwrite.clone()).exec_without_returning(transaction).await?;
        let names = chunk.iter().filter_map(|row| row.source.clone().take());
        range::Entity::delete_many().filter(range::Column::Source.is_in(names)).exec(transaction).await?;
    }
    for chunk in in_statements(&ranges) {
        range::Entity::insert_many(chunk.to_vec()).exec_without_returning(transaction).await?;
    }
    Ok(())
}

/// Everything but the identity and the first sight.
const MUTABLE: [Column; 11] = [
    Column::CommittedThrough,
    Column::Announced,
    Column::OpenRequests,
    Column::OldestOpenAdmission,
    Column::LastHeartbeatAt,
    Column::LastHeardAt,
    Column::ConfirmedUntil,
    Column::PendingSequence,
    Column::PendingConfirmsUntil,
    Column::PendingHeardAt,
    Column::Closed,
];

fn to_db(source: &str, state: &SourceState) -> Result<ActiveModel, StoreError> {
    let id = SourceId::from_str(source).map_err(|_| StoreError::corrupt(TABLE, "source", source))?;
    let milliseconds = |time: Option<Timestamp>| time.map(Timestamp::unix_ms);
    Ok(ActiveModel {
        source: Set(source.to_owned()),
        instance: Set(id.instance),
        boot: Set(id.boot),
        worker: Set(i64::from(id.worker)),
        committed_through: Set(unsigned_to_db(state.committed.through())),
        announced: Set(unsigned_to_db(state.announced)),
        open_requests: Set(unsigned_to_db(state.open_requests)),
        oldest_open_admission: Set(milliseconds(state.oldest_open_admission)),
        last_heartbeat_at: Set(milliseconds(state.last_heartbeat_at)),
        last_heard_at: Set(state.last_heard_at.unix_ms()),
        first_seen_at: Set(state.first_seen_at.unix_ms()),
        confirmed_until: Set(state.confirmed_until.unix_ms()),
        pending_sequence: Set(state.pending.map(|pending| unsigned_to_db(pending.last_sequence))),
        pending_confirms_until: Set(state.pending.map(|pending| pending.confirms_until.unix_ms())),
        pending_heard_at: Set(state.pending.map(|pending| pending.heard_at.unix_ms())),
        closed: Set(state.closed),
    })
}

fn ranges_to_db(source: &str, state: &SourceState) -> Vec<range::ActiveModel> {
    let above = state.committed.above();
    above
        .map(|(first, last)| range::ActiveModel {
            source: Set(source.to_owned()),
            first_sequence: Set(unsigned_to_db(first)),
            last_sequence: Set(unsigned_to_db(last)),
        })
        .collect()
}
