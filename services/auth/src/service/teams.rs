//! Teams: what finance books to, and whose keys belong together.

use maas_store::StoreError;
use maas_types::{OrganisationId, PageLimit, TeamId, TeamRole, Timestamp, UserId};
use sea_orm::DatabaseTransaction;

use super::{Core, audited, effects::Effects, initiator::Initiator};
use crate::{
    domain::team::{LastOwner, MemberSource, Membership, Team, TeamChange},
    events,
    store::{
        self,
        team::{TeamFilter, TeamPosition},
        user::VersionMoved,
    },
};

#[derive(Debug, thiserror::Error)]
pub enum TeamError {
    /// Or one that the caller is not in.
    #[error("no such team")]
    NotFound,
    #[error("no such organisation")]
    NoOrganisation,
    #[error("no such active user")]
    NoUser,
    #[error("the user is not in the team")]
    NotAMember,
    #[error("the user is in the team already")]
    AlreadyAMember,
    #[error("the name is taken")]
    NameTaken,
    /// They are in the team, and do not own it; or owners may not do this.
    #[error("{0}")]
    NotAllowed(&'static str),
    #[error(transparent)]
    LastOwner(#[from] LastOwner),
    /// A service account is in the team that owns it.
    #[error("a service account stays in the team that owns it")]
    OwnServiceAccount,
    /// It goes with the group; see group mappings.
    #[error("the user is in the team by a group; change the group mapping")]
    ByGroup,
    #[error("the team still owns service accounts; delete them first")]
    OwnsServiceAccounts,
    /// Somebody decided on what is no longer there.
    #[error("the team was changed since it was read")]
    VersionMoved,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whose teams somebody may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TeamAuthority {
    /// An admin: all.
    All,
    /// Those that this person owns.
    Owner(UserId),
}

#[derive(Debug)]
pub struct CreateTeamInput {
    pub name: String,
    pub description: String,
    pub cost_centre: String,
    pub organisation_id: OrganisationId,
    /// Who owns it from the start.
    pub owner: Option<UserId>,
}

impl Core {
    pub async fn team(&self, id: TeamId) -> Result<Option<Team>, StoreError> {
        store::team::find(self.database.reader(), id).await
    }

    /// In no order; deleted ones too.
    pub async fn teams_named(&self, ids: Vec<TeamId>) -> Result<Vec<Team>, StoreError> {
        if ids.is_empty() { Ok(Vec::new()) } else { store::team::find_all(self.database.reader(), ids).await }
    }

    /// One more than `limit` if there is a next page.
    pub async fn teams(
        &self,
        filter: &TeamFilter,
        limit: PageLimit,
        after: Option<TeamPosition>,
    ) -> Result<Vec<Team>, StoreError> {
        store::team::list(self.database.reader(), filter, limit, after).await
    }

    pub async fn create_team(&self, input: CreateTeamInput, initiator: &Initiator) -> Result<Team, TeamError> {
        let now = self.now();
        let team = new_team(&input, now);
        let transaction = self.database.begin().await?;
        check_organisation(&transaction, team.organisation_id).await?;
        store::team::insert(&transaction, &team).await.map_err(name_taken)?;
        let shown = (None, Some(audited::team(&team)));
        let record = audited::change(initiator, "team.create", ("team", team.id.to_string()), shown, now);
        let mut effects = Effects { tell: vec![events::team_state(&team), record], ..Effects::default() };
        if let Some(owner) = input.owner {
            let membership = Membership {
                team_id: team.id,
                user_id: owner,
                source: MemberSource::Manual,
                role: TeamRole::Owner,
                created_at: now,
            };
            self.put_member(&transaction, membership, initiator, &mut effects).await?;
        }
        self.commit_effects(transaction, effects).await?;
        Ok(team)
    }

    pub async fn update_team(
        &self,
        id: TeamId,
        change: &TeamChange,
        seen: Option<u64>,
        authority: TeamAuthority,
        initiator: &Initiator,
    ) -> Result<Team, TeamError> {
        let now = self.now();
        let transaction = self.database.begin().await?;
        let before = lock_owned(&transaction, id, seen, authority).await?;
        if authority != TeamAuthority::All && !change.is_for_owners() {
            return Err(TeamError::NotAllowed("a team's owner may change its description only"));
        }
        let Some(after) = before.changed(change, now) else { return Ok(before) };
        if after.organisation_id != before.organisation_id {
            check_organisation(&transaction, after.organisation_id).await?;
        }
        write(&transaction, &after).await?;
        let shown = (Some(audited::team(&before)), Some(audited::team(&after)));
        let record = audited::change(initiator, "team.update", ("team", id.to_string()), shown, now);
        let mut effects = Effects { tell: vec![events::team_state(&after), record], ..Effects::default() };
        if after.books_differently(&before) {
            self.republish_default_team(&transaction, id, &mut effects).await?;
        }
        self.commit_effects(transaction, effects).await?;
        Ok(after)
    }

    /// Everybody leaves the team, and what mapped groups to it goes. Its keys no longer work, since nobody may use them.
    pub async fn delete_team(&self, id: TeamId, seen: Option<u64>, initiator: &Initiator) -> Result<(), TeamError> {
        let now = self.now();
        let transaction = self.database.begin().await?;
        // Before the team: whoever works out rights from groups holds this and then refers to teams.
        store::group_mapping::hold_alone(&transaction).await?;
        let before = lock_owned(&transaction, id, seen, TeamAuthority::All).await?;
        if store::user_list::owns_service_accounts(&transaction, id).await? {
            return Err(TeamError::OwnsServiceAccounts);
        }
        let after = before.deleted(now);
        store::group_mapping::delete_of_team(&transaction, id).await?;
        write(&transaction, &after).await?;
        let shown = (Some(audited::team(&before)), None);
        let record = audited::change(initiator, "team.delete", ("team", id.to_string()), shown, now);
        let mut effects = Effects { tell: vec![events::team_state(&after), record], ..Effects::default() };
        self.dismiss_members(&transaction, id, &mut effects).await?;
        let mark = self.commit_effects(transaction, effects).await?;
        self.confirmed(mark).await;
        Ok(())
    }
}

fn new_team(input: &CreateTeamInput, now: Timestamp) -> Team {
    Team {
        id: TeamId::new_at(now),
        version: 1,
        name: input.name.clone(),
        description: input.description.clone(),
        cost_centre: input.cost_centre.clone(),
        organisation_id: input.organisation_id,
        created_at: now,
        updated_at: now,
        deleted_at: None,
    }
}

/// The team, locked, at the version that was looked at; whoever is not in it does not learn of it.
pub(super) async fn lock_owned(
    transaction: &DatabaseTransaction,
    id: TeamId,
    seen: Option<u64>,
    authority: TeamAuthority,
) -> Result<Team, TeamError> {
    let team = store::team::lock(transaction, id).await?.ok_or(TeamError::NotFound)?;
    if let TeamAuthority::Owner(user) = authority {
        let rows = store::team_member::of_user_in(transaction, id, user).await?;
        if rows.is_empty() {
            return Err(TeamError::NotFound);
        }
        if !rows.iter().any(|row| row.role == TeamRole::Owner) {
            return Err(TeamError::NotAllowed("only the team's owners and admins may change it"));
        }
    }
    if seen.is_some_and(|seen| seen != team.version) { Err(TeamError::VersionMoved) } else { Ok(team) }
}

/// Writes a team that is locked.
pub(super) async fn write(transaction: &DatabaseTransaction, after: &Team) -> Result<(), TeamError> {
    let updated = store::team::update(transaction, after).await.map_err(name_taken)?;
    updated.map_err(|VersionMoved| TeamError::VersionMoved)
}

/// Locked, so that it is not deleted before the team is in it.
async fn check_organisation(transaction: &DatabaseTransaction, id: OrganisationId) -> Result<(), TeamError> {
    store::organisation::lock(transaction, id).await?.map(|_| ()).ok_or(TeamError::NoOrganisation)
}

fn name_taken(error: StoreError) -> TeamError {
    match error {
        StoreError::Duplicate(_) => TeamError::NameTaken,
        error => TeamError::Store(error),
    }
}
