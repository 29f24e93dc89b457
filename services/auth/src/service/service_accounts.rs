//! Accounts for programs: they own keys, belong to a team or to the platform, and cannot sign in.

use maas_types::{TeamId, TeamRole, UserId};
use sea_orm::DatabaseTransaction;

use super::{
    Core, audited,
    effects::Effects,
    initiator::Initiator,
    members::manual,
    people,
    teams::{TeamAuthority, TeamError, lock_owned},
    users::{ChangedUser, UserError, find_seen},
};
use crate::{
    domain::{
        user::{User, UserChange},
        user_facts::UserFacts,
        user_status::UserKind,
    },
    events, store,
};
use maas_store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum ServiceAccountError {
    /// Or one of a team that the caller does not own.
    #[error("no such service account")]
    NotFound,
    #[error("name a team that you own")]
    TeamNeeded,
    #[error(transparent)]
    Team(#[from] TeamError),
    #[error(transparent)]
    User(#[from] UserError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug)]
pub struct CreateServiceAccountInput {
    pub name: String,
    pub display_name: Option<String>,
    /// `None`: of the platform.
    pub team: Option<TeamId>,
}

impl Core {
    pub async fn service_account(&self, id: UserId) -> Result<Option<User>, StoreError> {
        Ok(self.user(id).await?.filter(|user| user.kind == UserKind::ServiceAccount))
    }

    /// It is a member of the team that owns it, so that its keys may belong to the team and its usage is booked there.
    pub async fn create_service_account(
        &self,
        input: CreateServiceAccountInput,
        authority: TeamAuthority,
        initiator: &Initiator,
    ) -> Result<User, ServiceAccountError> {
        let now = self.now();
        if input.team.is_none() && authority != TeamAuthority::All {
            return Err(ServiceAccountError::TeamNeeded);
        }
        let transaction = self.database.begin().await?;
        if let Some(team) = input.team {
            lock_owned(&transaction, team, None, authority).await?;
        }
        let user = User::new_service_account(input.name, input.display_name, input.team, now);
        let membership = input.team.map(|team| manual(team, user.id, TeamRole::Member, now));
        let facts = UserFacts { memberships: membership.into_iter().collect(), ..UserFacts::new(user) };
        let facts = people::insert(&transaction, facts, None).await.map_err(|error| match error {
            StoreError::Duplicate(_) => ServiceAccountError::User(UserError::NameTaken),
            error => ServiceAccountError::Store(error),
        })?;
        let (resource, shown) = (("user", facts.user.id.to_string()), (None, Some(audited::facts(&facts))));
        let record = audited::change(initiator, "service-account.create", resource, shown, now);
        let tell = vec![events::user_state(&facts), record];
        self.commit_effects(transaction, Effects { tell, ..Effects::default() }).await?;
        Ok(facts.user)
    }

    pub async fn update_service_account(
        &self,
        id: UserId,
        change: &UserChange,
        seen: Option<u64>,
        authority: TeamAuthority,
        initiator: &Initiator,
    ) -> Result<ChangedUser, ServiceAccountError> {
        // Who owns a service account never changes, so that this need not be in one transaction with the change.
        let transaction = self.database.begin().await?;
        find_owned(&transaction, id, None, authority).await?;
        drop(transaction);
        Ok(self.update_user(id, change, seen, initiator).await?)
    }

    pub async fn delete_service_account(
        &self,
        id: UserId,
        seen: Option<u64>,
        authority: TeamAuthority,
        initiator: &Initiator,
    ) -> Result<ChangedUser, ServiceAccountError> {
        let transaction = self.database.begin().await?;
        let before = find_owned(&transaction, id, seen, authority).await?;
        Ok(self.erase_user(transaction, before, seen, initiator).await?)
    }
}

async fn find_owned(
    transaction: &DatabaseTransaction,
    id: UserId,
    seen: Option<u64>,
    authority: TeamAuthority,
) -> Result<User, ServiceAccountError> {
    let account = find_seen(transaction, id, seen).await.map_err(|error| match error {
        UserError::NotFound => ServiceAccountError::NotFound,
        error => ServiceAccountError::User(error),
    })?;
    if account.kind != UserKind::ServiceAccount {
        return Err(ServiceAccountError::NotFound);
    }
    let TeamAuthority::Owner(user) = authority else { return Ok(account) };
    let Some(team) = account.service_team_id else { return Err(ServiceAccountError::NotFound) };
    let rows = store::team_member::of_user_in(transaction, team, user).await?;
    let owns = rows.iter().any(|row| row.role == TeamRole::Owner);
    if owns { Ok(account) } else { Err(ServiceAccountError::NotFound) }
}
