//! Answers from the ledger.
//!
//! `complete_until` is read before the sums: what it promises is then in them, whatever is committed in between.

use std::collections::BTreeMap;

use maas_store::{Database, StoreError};
use maas_types::{KeyId, PageLimit, Timestamp};

use crate::{
    domain::{
        completeness::{LOST_AFTER, complete_until},
        period::Period,
        summary::Summary,
        totals::KeyUse,
    },
    store::{
        self,
        request_log::{LoggedRequest, Position, RequestFilter},
        summary::UsageFilter,
    },
};

#[derive(Debug)]
pub struct SummaryAnswer {
    pub summary: Summary,
    pub last_uses: BTreeMap<KeyId, Timestamp>,
    pub complete_until: Timestamp,
}

pub async fn summarise(
    database: &Database,
    period: Period,
    filter: &UsageFilter,
    now: Timestamp,
) -> Result<SummaryAnswer, StoreError> {
    let db = database.reader();
    let sources = store::source::load_current(db, now.minus(LOST_AFTER)).await?;
    let summary = Summary::of(store::summary::groups(db, period, filter).await?);
    let keys = summary.by_key.keys().flatten().map(|key| key.uuid());
    let last_uses = store::key_use::last_uses(db, keys).await?;
    Ok(SummaryAnswer {
        summary,
        last_uses: last_uses.into_iter().map(|(key, at)| (KeyId::from_uuid(key), at)).collect(),
        complete_until: complete_until(sources.values(), now),
    })
}

/// First and last use of a key; None: it was never used.
pub async fn key_use(database: &Database, key: KeyId) -> Result<Option<KeyUse>, StoreError> {
    store::key_use::find(database.reader(), key.uuid()).await
}

/// A page of the request log and where the next one starts.
pub async fn list_requests(
    database: &Database,
    filter: &RequestFilter,
    position: Option<Position>,
    limit: PageLimit,
) -> Result<(Vec<LoggedRequest>, Option<Position>), StoreError> {
    let limit = limit.get() as usize;
    // One more than asked for says whether there is a next page.
    let mut rows = store::request_log::page(database.reader(), filter, position, limit as u64 + 1).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().map(|row| Position { admitted_at: row.admitted_at.unix_ms(), id: row.id });
    Ok((rows, last.filter(|_| more)))
}
