//! Answers about single requests and keys.

use std::collections::BTreeSet;

use maas_store::{Database, StoreError};
use maas_types::{EventId, KeyId, PageLimit, UserId};

use crate::{
    domain::{filter::Visibility, totals::KeyUse},
    store::{
        self,
        request_log::{LoggedRequest, Position, RequestFilter},
    },
};

/// First and last use of a key; None: it was never used, or by nobody whose usage may be seen.
pub async fn key_use(database: &Database, key: KeyId, visible: &Visibility) -> Result<Option<KeyUse>, StoreError> {
    let db = database.reader();
    let Some(key_use) = store::key_use::find(db, key.uuid()).await? else { return Ok(None) };
    let may_see = match visible {
        Visibility::Everything => true,
        Visibility::Of { user, teams } => {
            *user == UserId::from_uuid(key_use.user_id) || store::request_log::was_used_for(db, key, teams).await?
        }
    };
    Ok(Some(key_use).filter(|_| may_see))
}

#[derive(Debug)]
pub struct RequestPage {
    pub rows: Vec<LoggedRequest>,
    /// Those of the rows that a correction says more about.
    pub corrected: BTreeSet<EventId>,
    /// Where the next page starts; None: this is the last.
    pub next: Option<Position>,
}

/// A page of the request log.
pub async fn list_requests(
    database: &Database,
    filter: &RequestFilter,
    position: Option<Position>,
    limit: PageLimit,
) -> Result<RequestPage, StoreError> {
    let (db, limit) = (database.reader(), limit.get() as usize);
    // One more than asked for says whether there is a next page.
    let mut rows = store::request_log::page(db, filter, position, limit as u64 + 1).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let corrected = store::request_log::corrected(db, rows.iter().map(|row| row.id)).await?;
    let last = rows.last().map(|row| Position { admitted_at: row.admitted_at.unix_ms(), id: row.id });
    Ok(RequestPage { rows, corrected, next: last.filter(|_| more) })
}
