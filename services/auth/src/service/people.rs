//! Writing what is new of one person. Their row is locked by whoever calls.

use maas_events::Delivery;
use maas_store::StoreError;
use maas_types::{Timestamp, UserId};
use sea_orm::{ConnectionTrait, DatabaseTransaction};

use super::{Core, effects::Effects};
use crate::{
    domain::{audit::AuditEntry, user::User, user_facts::UserFacts},
    events,
    store::{self, user::VersionMoved},
};

/// Writes a new person, their groups and teams.
pub(super) async fn insert(
    transaction: &DatabaseTransaction,
    facts: UserFacts,
    password_hash: Option<String>,
) -> Result<UserFacts, StoreError> {
    store::user::insert(transaction, &facts.user, password_hash).await?;
    store::user_group::replace(transaction, facts.user.id, &facts.groups).await?;
    store::team_member::put(transaction, &facts.memberships).await?;
    with_booking(transaction, facts).await
}

/// Writes what differs, at the next version; `None` when nothing does.
pub(super) async fn write(
    transaction: &DatabaseTransaction,
    before: &UserFacts,
    after: UserFacts,
    now: Timestamp,
) -> Result<Option<UserFacts>, StoreError> {
    if before.is_same(&after) {
        return Ok(None);
    }
    let after = UserFacts { user: after.user.touched(now), ..after };
    // Cannot happen to a locked row; if it does, the whole is run again.
    let moved = |VersionMoved| StoreError::Conflict(sea_orm::DbErr::RecordNotUpdated);
    store::user::update(transaction, &after.user, None).await?.map_err(moved)?;
    if before.groups != after.groups {
        store::user_group::replace(transaction, after.user.id, &after.groups).await?;
    }
    write_memberships(transaction, before, &after).await?;
    with_booking(transaction, after).await.map(Some)
}

async fn write_memberships(
    transaction: &DatabaseTransaction,
    before: &UserFacts,
    after: &UserFacts,
) -> Result<(), StoreError> {
    for row in &before.memberships {
        if !after.memberships.iter().any(|kept| (kept.team_id, kept.source) == (row.team_id, row.source)) {
            store::team_member::delete(transaction, row.team_id, row.user_id, row.source).await?;
        }
    }
    let new: Vec<_> = after.memberships.iter().filter(|row| !before.memberships.contains(row)).copied().collect();
    store::team_member::put(transaction, &new).await
}

async fn with_booking(transaction: &DatabaseTransaction, facts: UserFacts) -> Result<UserFacts, StoreError> {
    let loaded = store::user_facts::load_one(transaction, facts.user.clone()).await?;
    Ok(UserFacts { booking: loaded.and_then(|loaded| loaded.booking), ..facts })
}

/// What others hear of a change from `before` to `after`.
pub(super) fn effects_of(before: &UserFacts, after: &UserFacts, record: Delivery) -> Effects {
    let id = after.user.id;
    let lost = if before.loses_rights(after) { vec![id] } else { Vec::new() };
    Effects { tell: vec![events::user_state(after), record], lost, callers: vec![id] }
}

/// The first name that is free, else the first one with an id in it.
pub(super) async fn name_for(
    db: &impl ConnectionTrait,
    candidates: Vec<String>,
    now: Timestamp,
) -> Result<String, StoreError> {
    let fallback = candidates.first().map(|name| format!("{name} ({})", UserId::new_at(now).uuid().simple()));
    let free = store::user_identity::free_name(db, candidates).await?;
    Ok(free.or(fallback).unwrap_or_else(|| UserId::new_at(now).to_string()))
}

impl Core {
    /// Commits a change of one user that was written already, with the state that follows and its audit entry.
    pub(super) async fn commit_user(
        &self,
        transaction: DatabaseTransaction,
        user: &User,
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        let effects = self.user_effects(&transaction, user, events::audit_record(entry)).await?;
        self.commit_effects(transaction, effects).await.map(|_| ())
    }

    /// The state of a user that was written already, and its audit record.
    pub(super) async fn user_effects(
        &self,
        transaction: &DatabaseTransaction,
        user: &User,
        record: Delivery,
    ) -> Result<Effects, StoreError> {
        let facts = store::user_facts::load_one(transaction, user.clone()).await?;
        let state = facts.iter().map(events::user_state);
        Ok(Effects { tell: state.chain([record]).collect(), lost: Vec::new(), callers: vec![user.id] })
    }
}
