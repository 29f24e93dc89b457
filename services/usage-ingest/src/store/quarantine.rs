//! What could not be booked, kept byte for byte until a person decides.

use maas_store::{StoreError, ids::unsigned_to_db};
use maas_types::Timestamp;
use sea_orm::{ActiveValue::Set, ConnectionTrait, entity::prelude::*, sea_query::OnConflict};
use sha2::{Digest as _, Sha256};

use super::in_statements;
use crate::domain::received::Refused;

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
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const MAX_REASON_CHARACTERS: usize = 500;

/// Keeps them; what is there already stays as it was.
pub async fn keep(transaction: &impl ConnectionTrait, refused: &[Refused], now: Timestamp) -> Result<(), StoreError> {
    let mut rows: Vec<_> = refused.iter().map(|refused| (digest(refused), refused)).collect();
    rows.sort_by_key(|(digest, _)| *digest);
    rows.dedup_by_key(|(digest, _)| *digest);
    let rows: Vec<_> = rows.into_iter().map(|(digest, refused)| to_db(digest, refused, now)).collect();
    for chunk in in_statements(&rows) {
        Entity::insert_many(chunk.to_vec())
            .on_conflict(OnConflict::column(Column::Digest).do_nothing().to_owned())
            .exec_without_returning(transaction)
            .await?;
    }
    Ok(())
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

fn to_db(digest: [u8; 32], refused: &Refused, now: Timestamp) -> ActiveModel {
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
    }
}
