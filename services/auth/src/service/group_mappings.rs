//! What groups give. A change is in force for everybody who has the group once it is answered.

use maas_store::StoreError;
use maas_types::{GroupMappingId, PageLimit, Role, TeamId, TeamRole};
use sea_orm::DatabaseTransaction;

use super::{
    Core, audited,
    effects::Effects,
    initiator::Initiator,
    reevaluate::{Run, Tally},
};
use crate::{
    domain::group_mapping::GroupMapping,
    store::{self, group_mapping::GroupMappingFilter, user::VersionMoved},
};

/// Each sign-in reads them all.
const MOST_MAPPINGS: usize = 5_000;

#[derive(Debug, thiserror::Error)]
pub enum GroupMappingError {
    #[error("no such group mapping")]
    NotFound,
    #[error("there is a mapping of this group, provider and team")]
    AlreadyExists,
    #[error("there are {MOST_MAPPINGS} mappings, the most that are allowed")]
    TooMany,
    #[error("no such team")]
    NoTeam,
    #[error("name a role, a team, or both")]
    GivesNothing,
    /// Somebody decided on what is no longer there.
    #[error("the mapping was changed since it was read")]
    VersionMoved,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a mapping says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMappingInput {
    pub group: String,
    pub provider_id: Option<String>,
    pub role: Option<Role>,
    pub team: Option<(TeamId, TeamRole)>,
}

/// One change of the mappings: what is there after it in the place of what was there before.
struct Replacement {
    before: Option<GroupMapping>,
    after: Option<GroupMapping>,
    action: &'static str,
}

impl Core {
    pub async fn group_mapping(&self, id: GroupMappingId) -> Result<Option<GroupMapping>, StoreError> {
        store::group_mapping::find(self.database.reader(), id).await
    }

    /// One more than `limit` if there is a next page.
    pub async fn group_mappings(
        &self,
        filter: &GroupMappingFilter,
        limit: PageLimit,
        after: Option<GroupMappingId>,
    ) -> Result<Vec<GroupMapping>, StoreError> {
        store::group_mapping::list(self.database.reader(), filter, limit, after).await
    }

    pub async fn create_group_mapping(
        &self,
        input: GroupMappingInput,
        run: Run,
        initiator: &Initiator,
    ) -> Result<(GroupMapping, Tally), GroupMappingError> {
        let now = self.now();
        let GroupMappingInput { group, provider_id, role, team } = input;
        let id = GroupMappingId::new_at(now);
        let mapping = GroupMapping { id, version: 1, group, provider_id, role, team, created_at: now, updated_at: now };
        let transaction = self.database.begin().await?;
        store::group_mapping::hold_alone(&transaction).await?;
        let replacement = Replacement { before: None, after: Some(mapping.clone()), action: "group-mapping.create" };
        let tally = self.replace_mapping(transaction, replacement, run, initiator).await?;
        Ok((mapping, tally))
    }

    pub async fn update_group_mapping(
        &self,
        id: GroupMappingId,
        input: GroupMappingInput,
        seen: Option<u64>,
        run: Run,
        initiator: &Initiator,
    ) -> Result<(GroupMapping, Tally), GroupMappingError> {
        let transaction = self.database.begin().await?;
        let before = hold_seen(&transaction, id, seen).await?;
        let GroupMappingInput { group, provider_id, role, team } = input;
        let after = GroupMapping { group, provider_id, role, team, ..before.clone() };
        if after == before {
            return Ok((before, Tally::default()));
        }
        let after = GroupMapping { version: before.version + 1, updated_at: self.now(), ..after };
        let replacement =
            Replacement { before: Some(before), after: Some(after.clone()), action: "group-mapping.update" };
        let tally = self.replace_mapping(transaction, replacement, run, initiator).await?;
        Ok((after, tally))
    }

    pub async fn delete_group_mapping(
        &self,
        id: GroupMappingId,
        seen: Option<u64>,
        run: Run,
        initiator: &Initiator,
    ) -> Result<Tally, GroupMappingError> {
        let transaction = self.database.begin().await?;
        let before = hold_seen(&transaction, id, seen).await?;
        let replacement = Replacement { before: Some(before), after: None, action: "group-mapping.delete" };
        self.replace_mapping(transaction, replacement, run, initiator).await
    }

    /// The lock on mappings is held alone. A dry run works everything out and writes nothing.
    async fn replace_mapping(
        &self,
        transaction: DatabaseTransaction,
        replacement: Replacement,
        run: Run,
        initiator: &Initiator,
    ) -> Result<Tally, GroupMappingError> {
        let Replacement { before, after, action } = &replacement;
        let mut mappings = store::group_mapping::all(&transaction).await?;
        mappings.retain(|mapping| before.as_ref().is_none_or(|before| mapping.id != before.id));
        if let Some(after) = after {
            check(&transaction, after, &mappings).await?;
            mappings.push(after.clone());
        }
        if run == Run::Real {
            write(&transaction, &replacement).await?;
        }
        let mut groups: Vec<String> =
            [before, after].into_iter().flatten().map(|mapping| mapping.group.clone()).collect();
        groups.dedup();
        let mut effects = Effects::default();
        let tally = self.reevaluate_groups(&transaction, &groups, &mappings, run, &mut effects).await?;
        if run == Run::Real {
            let id = after.as_ref().or(before.as_ref()).map(|mapping| mapping.id.to_string()).unwrap_or_default();
            let shown = (before.as_ref().map(audited::group_mapping), after.as_ref().map(audited::group_mapping));
            effects.tell.push(audited::change(initiator, action, ("group-mapping", id), shown, self.now()));
            let mark = self.commit_effects(transaction, effects).await?;
            self.confirmed(mark).await;
        }
        Ok(tally)
    }
}

async fn hold_seen(
    transaction: &DatabaseTransaction,
    id: GroupMappingId,
    seen: Option<u64>,
) -> Result<GroupMapping, GroupMappingError> {
    store::group_mapping::hold_alone(transaction).await?;
    let mapping = store::group_mapping::find(transaction, id).await?.ok_or(GroupMappingError::NotFound)?;
    if seen.is_some_and(|seen| seen != mapping.version) {
        return Err(GroupMappingError::VersionMoved);
    }
    Ok(mapping)
}

async fn check(
    transaction: &DatabaseTransaction,
    new: &GroupMapping,
    others: &[GroupMapping],
) -> Result<(), GroupMappingError> {
    if new.role.is_none() && new.team.is_none() {
        return Err(GroupMappingError::GivesNothing);
    }
    if others.len() >= MOST_MAPPINGS {
        return Err(GroupMappingError::TooMany);
    }
    let team = |mapping: &GroupMapping| mapping.team.map(|(team, _)| team);
    let is_alike = |other: &GroupMapping| {
        other.group == new.group && other.provider_id == new.provider_id && team(other) == team(new)
    };
    if others.iter().any(is_alike) {
        return Err(GroupMappingError::AlreadyExists);
    }
    match team(new) {
        Some(team) if store::team::find(transaction, team).await?.is_none() => Err(GroupMappingError::NoTeam),
        _ => Ok(()),
    }
}

async fn write(transaction: &DatabaseTransaction, replacement: &Replacement) -> Result<(), GroupMappingError> {
    match (&replacement.before, &replacement.after) {
        (None, Some(after)) => store::group_mapping::insert(transaction, after).await?,
        (Some(_), Some(after)) => {
            let updated = store::group_mapping::update(transaction, after).await?;
            updated.map_err(|VersionMoved| GroupMappingError::VersionMoved)?;
        }
        (Some(before), None) => store::group_mapping::delete(transaction, before.id).await?,
        (None, None) => {}
    }
    Ok(())
}
