//! Who is in a team, by the hand of an admin or of one of its owners.

use maas_store::StoreError;
use maas_types::{PageLimit, TeamId, TeamRole, Timestamp, UserId};
use sea_orm::DatabaseTransaction;

use super::{
    Core, audited,
    effects::Effects,
    initiator::Initiator,
    people,
    teams::{TeamAuthority, TeamError, lock_owned, write},
};
use crate::{
    domain::{
        team::{MemberSource, Membership, Team, keep_an_owner},
        user::User,
        user_facts::UserFacts,
        user_status::UserKind,
    },
    events, store,
};

/// Whom to put into a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidate {
    Id(UserId),
    /// Exactly; a team's owner need not be able to look people up.
    Name(String),
}

/// One member with the rows that make them one.
#[derive(Debug)]
pub struct Member {
    pub user: User,
    pub rows: Vec<Membership>,
}

#[derive(Debug, Clone, Copy)]
pub struct ChangeMember {
    pub team: TeamId,
    pub user: UserId,
    /// `None`: out of the team.
    pub role: Option<TeamRole>,
}

impl Core {
    /// By id; one more than `limit` if there is a next page.
    pub async fn members(
        &self,
        team: TeamId,
        limit: PageLimit,
        after: Option<UserId>,
    ) -> Result<Vec<Member>, StoreError> {
        let db = self.database.reader();
        let ids = store::team_member::page_of_team(db, team, limit, after).await?;
        let users = store::user::find_all(db, &ids).await?;
        let mut rows = store::team_member::of_users_in(db, team, &ids).await?;
        let member = |user: User| Member { rows: rows.remove(&user.id).unwrap_or_default(), user };
        Ok(users.into_iter().map(member).collect())
    }

    /// The team at its next version, and the new member.
    pub async fn add_member(
        &self,
        team: TeamId,
        candidate: &Candidate,
        role: TeamRole,
        authority: TeamAuthority,
        initiator: &Initiator,
    ) -> Result<(Team, Member), TeamError> {
        let now = self.now();
        let transaction = self.database.begin().await?;
        let before = lock_owned(&transaction, team, None, authority).await?;
        let user = find_candidate(&transaction, candidate).await?.ok_or(TeamError::NoUser)?;
        let rows = store::team_member::of_user_in(&transaction, team, user.id).await?;
        if rows.iter().any(|row| row.source == MemberSource::Manual) {
            return Err(TeamError::AlreadyAMember);
        }
        let after = before.touched(now);
        write(&transaction, &after).await?;
        let membership = manual(team, user.id, role, now);
        let mut effects = Effects { tell: vec![events::team_state(&after)], ..Effects::default() };
        let facts = self.put_member(&transaction, membership, initiator, &mut effects).await?;
        self.commit_effects(transaction, effects).await?;
        Ok((after, member_of(facts, team)))
    }

    /// A new role of somebody who was put into the team by hand, or none. What a group gives stays: of two roles the
    /// higher one counts.
    pub async fn change_member(
        &self,
        change: ChangeMember,
        seen: Option<u64>,
        authority: TeamAuthority,
        initiator: &Initiator,
    ) -> Result<(Team, Member), TeamError> {
        let now = self.now();
        let ChangeMember { team, user, role } = change;
        let transaction = self.database.begin().await?;
        let before = lock_owned(&transaction, team, seen, authority).await?;
        let user = store::user::lock(&transaction, user).await?.ok_or(TeamError::NotAMember)?;
        let facts = load(&transaction, user).await?;
        let row = changeable(&facts, team)?;
        let after = before.touched(now);
        write(&transaction, &after).await?;
        let mut effects = Effects { tell: vec![events::team_state(&after)], ..Effects::default() };
        let replaced = role.map(|role| Membership { role, ..row });
        let facts = self.replace_member(&transaction, facts, row, replaced, initiator, &mut effects).await?;
        let owners = store::team_member::count_owners(&transaction, team).await?;
        let lost_an_owner = row.role == TeamRole::Owner && role != Some(TeamRole::Owner);
        keep_an_owner(lost_an_owner, owners, authority == TeamAuthority::All)?;
        self.commit_effects(transaction, effects).await?;
        Ok((after, member_of(facts, team)))
    }

    /// Puts somebody who is not yet in by hand into a team that is locked.
    pub(super) async fn put_member(
        &self,
        transaction: &DatabaseTransaction,
        membership: Membership,
        initiator: &Initiator,
        effects: &mut Effects,
    ) -> Result<UserFacts, TeamError> {
        let user = store::user::lock(transaction, membership.user_id).await?.ok_or(TeamError::NoUser)?;
        let before = load(transaction, user).await?;
        let mut memberships = before.memberships.clone();
        memberships.push(membership);
        let shown = (None, Some(audited::membership(membership.team_id, membership.role)));
        self.write_member(transaction, before, memberships, ("team.add_member", shown), initiator, effects).await
    }

    async fn replace_member(
        &self,
        transaction: &DatabaseTransaction,
        before: UserFacts,
        row: Membership,
        replaced: Option<Membership>,
        initiator: &Initiator,
        effects: &mut Effects,
    ) -> Result<UserFacts, TeamError> {
        let others = before.memberships.iter().copied().filter(|other| *other != row);
        let memberships = others.chain(replaced).collect();
        let shown = |row: Membership| audited::membership(row.team_id, row.role);
        let action = if replaced.is_some() { "team.update_member" } else { "team.remove_member" };
        let shown = (Some(shown(row)), replaced.map(shown));
        self.write_member(transaction, before, memberships, (action, shown), initiator, effects).await
    }

    /// The person with these memberships, and what others hear of it.
    async fn write_member(
        &self,
        transaction: &DatabaseTransaction,
        before: UserFacts,
        memberships: Vec<Membership>,
        (action, shown): (&str, audited::BeforeAfter),
        initiator: &Initiator,
        effects: &mut Effects,
    ) -> Result<UserFacts, TeamError> {
        let now = self.now();
        let after = UserFacts { memberships, ..before.clone() }.with_teams_settled();
        let Some(after) = people::write(transaction, &before, after, now).await? else { return Ok(before) };
        let record = audited::change(initiator, action, ("user", after.user.id.to_string()), shown, now);
        effects.add(people::effects_of(&before, &after, record));
        Ok(after)
    }
}

async fn find_candidate(transaction: &DatabaseTransaction, candidate: &Candidate) -> Result<Option<User>, StoreError> {
    let found = match candidate {
        Candidate::Id(id) => store::user::find(transaction, *id).await?,
        Candidate::Name(name) => store::user::find_by_name(transaction, name).await?,
    };
    Ok(found)
}

async fn load(transaction: &DatabaseTransaction, user: User) -> Result<UserFacts, TeamError> {
    store::user_facts::load_one(transaction, user).await?.ok_or(TeamError::NoUser)
}

/// The row that people may change.
fn changeable(facts: &UserFacts, team: TeamId) -> Result<Membership, TeamError> {
    if facts.user.kind == UserKind::ServiceAccount && facts.user.service_team_id == Some(team) {
        return Err(TeamError::OwnServiceAccount);
    }
    let mut rows = facts.memberships.iter().filter(|row| row.team_id == team);
    match rows.clone().find(|row| row.source == MemberSource::Manual) {
        Some(row) => Ok(*row),
        None if rows.next().is_some() => Err(TeamError::ByGroup),
        None => Err(TeamError::NotAMember),
    }
}

pub(super) fn manual(team: TeamId, user: UserId, role: TeamRole, now: Timestamp) -> Membership {
    Membership { team_id: team, user_id: user, source: MemberSource::Manual, role, created_at: now }
}

fn member_of(facts: UserFacts, team: TeamId) -> Member {
    let rows = facts.memberships.into_iter().filter(|row| row.team_id == team).collect();
    Member { user: facts.user, rows }
}
