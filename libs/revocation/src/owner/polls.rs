//! The proxies that asked, in the database: a proxy asks one replica, and all of them have to know it.

use std::time::Duration;

use maas_store::{StoreError, classify, ids::time_from_db, ids::unsigned_from_db, ids::unsigned_to_db};
use maas_types::Timestamp;
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, sea_query::OnConflict};
use uuid::Uuid;

use super::{
    member::{Member, believed_unconfirmed},
    tables::poll,
};
use crate::wire::Mark;

pub async fn write(connection: &impl ConnectionTrait, instance: Uuid, member: &Member) -> Result<(), StoreError> {
    let row = poll::ActiveModel {
        instance: Set(instance),
        boot: Set(member.boot),
        epoch: Set(member.applied.map(|mark| mark.epoch)),
        applied: Set(unsigned_to_db(member.applied.map_or(0, |mark| mark.counter))),
        seen_at: Set(member.seen_at.unix_ms()),
        max_unconfirmed_ms: Set(milliseconds_to_db(member.max_unconfirmed)),
    };
    let overwrite = OnConflict::column(poll::Column::Instance)
        .update_columns([
            poll::Column::Boot,
            poll::Column::Epoch,
            poll::Column::Applied,
            poll::Column::SeenAt,
            poll::Column::MaxUnconfirmedMs,
        ])
        .to_owned();
    let insert = poll::Entity::insert(row).on_conflict(overwrite);
    insert.exec_without_returning(connection).await.map(|_| ()).map_err(classify)
}

pub async fn read(connection: &impl ConnectionTrait) -> Result<Vec<(Uuid, Member)>, StoreError> {
    let rows = poll::Entity::find().all(connection).await.map_err(classify)?;
    rows.into_iter().map(|row| Ok((row.instance, member_from_db(row)?))).collect()
}

/// Only the row that says what `member` says: a newer run may have written meanwhile.
pub async fn delete(connection: &impl ConnectionTrait, instance: Uuid, boot: Uuid) -> Result<(), StoreError> {
    use sea_orm::{ColumnTrait as _, QueryFilter as _};
    let row =
        poll::Entity::delete_many().filter(poll::Column::Instance.eq(instance)).filter(poll::Column::Boot.eq(boot));
    row.exec(connection).await.map(|_| ()).map_err(classify)
}

fn member_from_db(row: poll::Model) -> Result<Member, StoreError> {
    let unsigned = |column, value| unsigned_from_db("revocation_polls", column, row.instance, value);
    let counter = unsigned("applied", row.applied)?;
    Ok(Member {
        boot: row.boot,
        applied: row.epoch.map(|epoch| Mark { epoch, counter }),
        seen_at: time_from_db(row.seen_at),
        max_unconfirmed: believed_unconfirmed(unsigned("max_unconfirmed_ms", row.max_unconfirmed_ms)?),
    })
}

fn milliseconds_to_db(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Whether what the row says has to be written again.
pub fn is_worth_writing(written: Option<&Member>, member: &Member, at_least_every: Duration, now: Timestamp) -> bool {
    written.is_none_or(|written| {
        written.boot != member.boot || written.applied != member.applied || now.since(written.seen_at) >= at_least_every
    })
}
