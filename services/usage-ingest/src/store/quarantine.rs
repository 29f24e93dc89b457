//! What could not be booked, kept byte for byte until a person decides, and after it as evidence.

use std::{collections::BTreeSet, sync::Arc};

use maas_store::{
    StoreError,
    ids::{parsed_from_db, time_from_db, unsigned_from_db, unsigned_to_db},
};
use maas_types::{Timestamp, UserId};
use sea_orm::{
    ActiveValue::Set, Condition, ConnectionTrait, Iterable as _, QueryOrder as _, QuerySelect as _, entity::prelude::*,
    sea_query::OnConflict,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{in_statements, source};
use crate::domain::{
    quarantine::{BookedAs, Decision, QuarantineEntry, QuarantineId, QuarantineState},
    received::{RefusalKind, Refused},
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_quarantine")]
pub struct Model {
    /// Of source, sequences and payload: the same message delivered again is the same row.
    #[sea_orm(primary_key, auto_increment = false)]
    pub digest: Vec<u8>,
    pub source: String,
    pub first_sequence: Option<i64>,
    pub last_sequence: Option<i64>,
    pub event_id: Option<Uuid>,
    pub kind: String,
    pub reason: String,
    /// A message, or one event. Its own sequence may be missing inside, that is in the columns.
    pub payload: Vec<u8>,
    pub received_at: i64,
    /// All its sequences were committed before it came.
    pub repeated: bool,
    pub state: String,
    /// Empty unless it was replayed.
    pub booked_as: String,
    pub decided_at: Option<i64>,
    pub decided_by: Option<Uuid>,
    pub decided_by_name: String,
    pub decision_reason: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const TABLE: &str = "usage_quarantine";
const MAX_REASON_CHARACTERS: usize = 500;

/// Which entries a list shows. All given filters hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuarantineFilter {
    pub state: Option<QuarantineState>,
    pub kind: Option<RefusalKind>,
    pub source: Option<String>,
}

/// Where a page ends: the list goes from new to old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub received_at: i64,
    pub id: QuarantineId,
}

/// Keeps them; what is there already stays as it was. Call it before the sequences of the batch are recorded: it notes
/// whether a sequence was committed before, which is the only trace of an event whose day is no longer held.
pub async fn keep(transaction: &impl ConnectionTrait, refused: &[Refused], now: Timestamp) -> Result<(), StoreError> {
    if refused.is_empty() {
        return Ok(());
    }
    let names: BTreeSet<Arc<str>> = refused.iter().map(|refused| refused.source.clone()).collect();
    let sources = source::load(transaction, &names).await?;
    let is_repeated = |refused: &Refused| {
        let state = sources.get(&refused.source);
        state.zip(refused.sequences).is_some_and(|(state, (first, last))| state.committed.contains(first, last))
    };
    let mut rows: Vec<_> = refused.iter().map(|refused| (digest(refused), refused)).collect();
    rows.sort_by_key(|(digest, _)| *digest);
    rows.dedup_by_key(|(digest, _)| *digest);
    let rows: Vec<_> =
        rows.into_iter().map(|(digest, refused)| to_db(digest, refused, is_repeated(refused), now)).collect();
    for chunk in in_statements(&rows) {
        Entity::insert_many(chunk.to_vec())
            .on_conflict(OnConflict::column(Column::Digest).do_nothing().to_owned())
            .exec_without_returning(transaction)
            .await?;
    }
    Ok(())
}

pub async fn find(db: &impl ConnectionTrait, id: QuarantineId) -> Result<Option<QuarantineEntry>, StoreError> {
    Entity::find_by_id(id.0.to_vec()).one(db).await?.map(from_db).transpose()
}

/// At most `limit` entries after the position, newest first. Without their payloads: a page of whole messages would be
/// half a gigabyte.
pub async fn page(
    db: &impl ConnectionTrait,
    filter: &QuarantineFilter,
    after: Option<Position>,
    limit: u64,
) -> Result<Vec<QuarantineEntry>, StoreError> {
    let query = filter.apply(Entity::find());
    let query = match after {
        None => query,
        Some(Position { received_at, id }) => {
            let same_time = Condition::all().add(Column::ReceivedAt.eq(received_at));
            let older = Condition::any()
                .add(Column::ReceivedAt.lt(received_at))
                .add(same_time.add(Column::Digest.lt(id.0.to_vec())));
            query.filter(older)
        }
    };
    let columns = Column::iter().filter(|column| !matches!(column, Column::Payload));
    let query = query.select_only().columns(columns).expr_as(Expr::value(Vec::<u8>::new()), "payload");
    let query = query.order_by_desc(Column::ReceivedAt).order_by_desc(Column::Digest).limit(limit);
    query.into_model::<Model>().all(db).await?.into_iter().map(from_db).collect()
}

/// How many entries nobody has decided on, by kind.
pub async fn held(db: &impl ConnectionTrait) -> Result<Vec<(RefusalKind, u64)>, StoreError> {
    let rows: Vec<(String, i64)> = Entity::find()
        .select_only()
        .column(Column::Kind)
        .column_as(Column::Digest.count(), "entries")
        .filter(Column::State.eq(QuarantineState::Held.as_str()))
        .group_by(Column::Kind)
        .into_tuple()
        .all(db)
        .await?;
    rows.into_iter()
        .map(|(kind, entries)| {
            let known = parsed_from_db(TABLE, "kind", &kind, RefusalKind::parse(&kind))?;
            Ok((known, unsigned_from_db(TABLE, "count", &kind, entries)?))
        })
        .collect()
}

/// Writes a decision. Under the partition lock, after [`find`] in the same transaction.
pub async fn decide(
    transaction: &impl ConnectionTrait,
    id: QuarantineId,
    state: QuarantineState,
    decision: &Decision,
) -> Result<(), StoreError> {
    let row = ActiveModel {
        digest: Set(id.0.to_vec()),
        state: Set(state.as_str().to_owned()),
        booked_as: Set(decision.booked_as.map(BookedAs::as_str).unwrap_or_default().to_owned()),
        decided_at: Set(Some(decision.at.unix_ms())),
        decided_by: Set(decision.by.map(UserId::uuid)),
        decided_by_name: Set(decision.by_name.clone()),
        decision_reason: Set(decision.reason.clone()),
        ..Default::default()
    };
    Entity::update_many().set(row).filter(Column::Digest.eq(id.0.to_vec())).exec(transaction).await?;
    Ok(())
}

impl QuarantineFilter {
    fn apply(&self, query: Select<Entity>) -> Select<Entity> {
        let filters = [
            self.state.map(|state| Column::State.eq(state.as_str())),
            self.kind.map(|kind| Column::Kind.eq(kind.as_str())),
            self.source.as_ref().map(|source| Column::Source.eq(source)),
        ];
        filters.into_iter().flatten().fold(query, QueryFilter::filter)
    }
}

fn digest(refused: &Refused) -> [u8; 32] {
    let (first, last) = refused.sequences.unwrap_or_default();
    let mut hash = Sha256::new();
    hash.update(refused.source.as_bytes());
    hash.update([0]);
    hash.update(first.to_be_bytes());
    hash.update(last.to_be_bytes());
    hash.update(&refused.payload);
    hash.finalize().into()
}

fn to_db(digest: [u8; 32], refused: &Refused, repeated: bool, now: Timestamp) -> ActiveModel {
    let (first, last) = refused.sequences.unzip();
    // Postgres texts cannot hold NUL; reasons quote what strangers sent.
    let reason = refused.reason.chars().filter(|character| *character != '\0').take(MAX_REASON_CHARACTERS).collect();
    ActiveModel {
        digest: Set(digest.to_vec()),
        source: Set(refused.source.to_string()),
        first_sequence: Set(first.map(unsigned_to_db)),
        last_sequence: Set(last.map(unsigned_to_db)),
        event_id: Set(refused.event_id),
        kind: Set(refused.kind.as_str().to_owned()),
        reason: Set(reason),
        payload: Set(refused.payload.to_vec()),
        received_at: Set(now.unix_ms()),
        repeated: Set(repeated),
        state: Set(QuarantineState::Held.as_str().to_owned()),
        ..Default::default()
    }
}

fn from_db(row: Model) -> Result<QuarantineEntry, StoreError> {
    let digest: Result<[u8; 32], _> = row.digest.as_slice().try_into();
    let id = QuarantineId(digest.map_err(|_| StoreError::corrupt(TABLE, "digest", row.received_at))?);
    let sequence =
        |column, value: Option<i64>| value.map(|value| unsigned_from_db(TABLE, column, id, value)).transpose();
    let first = sequence("first_sequence", row.first_sequence)?;
    let last = sequence("last_sequence", row.last_sequence)?;
    Ok(QuarantineEntry {
        id,
        sequences: first.zip(last),
        event_id: row.event_id,
        kind: parsed_from_db(TABLE, "kind", id, RefusalKind::parse(&row.kind))?,
        received_at: time_from_db(row.received_at),
        repeated: row.repeated,
        state: parsed_from_db(TABLE, "state", id, QuarantineState::parse(&row.state))?,
        decision: row.decided_at.map(|at| Decision {
            at: time_from_db(at),
            by: row.decided_by.map(UserId::from_uuid),
            by_name: row.decided_by_name,
            reason: row.decision_reason,
            booked_as: BookedAs::parse(&row.booked_as),
        }),
        source: row.source,
        reason: row.reason,
        payload: row.payload,
    })
}
