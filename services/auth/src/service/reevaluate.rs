//! What a change of one thing means for many people: a changed group mapping, a deleted team, a moved cost centre.
//!
//! All of it commits with the change. People are worked on in batches of bounded size, in the order of their ids, a few
//! statements per batch; their states go to the outbox batch by batch, so that memory stays bounded too.

use maas_store::{StoreError, outbox};
use maas_types::{TeamId, UserId};
use sea_orm::DatabaseTransaction;

use super::{Core, effects::Effects};
use crate::{
    domain::{group_mapping::GroupMapping, user::User, user_facts::UserFacts},
    events, store,
};

const BATCH: u64 = 500;

/// How many people change, and in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub people: u64,
    pub roles_raised: u64,
    pub roles_lowered: u64,
    /// Who comes into a team, leaves one, or gets another role there.
    pub teams_changed: u64,
}

impl Tally {
    fn count(&mut self, before: &UserFacts, after: &UserFacts) {
        self.people += 1;
        self.roles_raised += u64::from(after.user.role > before.user.role);
        self.roles_lowered += u64::from(after.user.role < before.user.role);
        self.teams_changed += u64::from(after.teams() != before.teams());
    }
}

/// Whether what is worked out is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    Real,
    /// Only counted.
    Dry,
}

impl Core {
    /// The rights of everybody in these groups, under these mappings, which nobody else changes meanwhile.
    pub(super) async fn reevaluate_groups(
        &self,
        transaction: &DatabaseTransaction,
        groups: &[String],
        mappings: &[GroupMapping],
        run: Run,
        effects: &mut Effects,
    ) -> Result<Tally, StoreError> {
        let mut tally = Tally::default();
        for (index, group) in groups.iter().enumerate() {
            let earlier = groups.get(..index).unwrap_or_default();
            self.reevaluate_group(transaction, (group, earlier), mappings, run, (&mut tally, effects)).await?;
        }
        Ok(tally)
    }

    /// Who is in one of the `earlier` groups has been worked on.
    async fn reevaluate_group(
        &self,
        transaction: &DatabaseTransaction,
        (group, earlier): (&str, &[String]),
        mappings: &[GroupMapping],
        run: Run,
        (tally, effects): (&mut Tally, &mut Effects),
    ) -> Result<(), StoreError> {
        let (now, rules) = (self.now(), self.group_rules(mappings));
        let evaluated = |before: &UserFacts| {
            let is_done = earlier.iter().any(|group| before.groups.contains(group));
            let after = (!is_done).then(|| before.clone().evaluated(rules, now));
            after.filter(|after| !after.is_same(before))
        };
        let mut last = None;
        loop {
            let ids = store::user_group::members(transaction, group, last, BATCH).await?;
            let Some(end) = ids.last() else { return Ok(()) };
            last = Some(*end);
            self.change_people(transaction, &ids, evaluated, run, (tally, effects)).await?;
        }
    }

    /// Takes everybody out of a team.
    pub(super) async fn dismiss_members(
        &self,
        transaction: &DatabaseTransaction,
        team: TeamId,
        effects: &mut Effects,
    ) -> Result<(), StoreError> {
        let dismissed = |before: &UserFacts| {
            let rows = before.memberships.iter().copied().filter(|row| row.team_id != team).collect();
            Some(UserFacts { memberships: rows, ..before.clone() }.with_teams_settled())
        };
        let mut tally = Tally::default();
        loop {
            // Always the first ones: those before have left.
            let ids = store::team_member::batch_of_team(transaction, team, None, BATCH).await?;
            if ids.is_empty() {
                return Ok(());
            }
            self.change_people(transaction, &ids, dismissed, Run::Real, (&mut tally, effects)).await?;
            // Also the rows of people who were deleted meanwhile, else this would find them for ever.
            store::team_member::delete_from_team(transaction, team, &ids).await?;
        }
    }

    /// Tells again of everybody whose usage is booked to a team.
    pub(super) async fn republish_default_team(
        &self,
        transaction: &DatabaseTransaction,
        team: TeamId,
        effects: &mut Effects,
    ) -> Result<(), StoreError> {
        let as_they_are = |before: &UserFacts| Some(before.clone());
        let (mut tally, mut last) = (Tally::default(), None);
        loop {
            let ids = store::user_list::with_default_team(transaction, team, last, BATCH).await?;
            let Some(end) = ids.last() else { return Ok(()) };
            last = Some(*end);
            self.change_people(transaction, &ids, as_they_are, Run::Real, (&mut tally, effects)).await?;
        }
    }

    /// Locks these people and writes what `change` makes of them; `None` leaves somebody as they are. Of users, only
    /// roles and the default team may differ.
    async fn change_people(
        &self,
        transaction: &DatabaseTransaction,
        ids: &[UserId],
        change: impl Fn(&UserFacts) -> Option<UserFacts>,
        run: Run,
        (tally, effects): (&mut Tally, &mut Effects),
    ) -> Result<(), StoreError> {
        let users = match run {
            Run::Real => store::user::lock_all(transaction, ids).await?,
            Run::Dry => store::user::find_all(transaction, ids).await?,
        };
        let all = store::user_facts::load(transaction, users).await?;
        let changed: Vec<(&UserFacts, UserFacts)> =
            all.iter().filter_map(|before| Some((before, change(before)?))).collect();
        changed.iter().for_each(|(before, after)| tally.count(before, after));
        if run == Run::Real {
            self.write_people(transaction, &changed).await?;
            let lost = changed.iter().filter(|(before, after)| before.loses_rights(after));
            effects.lost.extend(lost.map(|(_, after)| after.user.id));
            effects.callers.extend(changed.iter().map(|(_, after)| after.user.id));
        }
        Ok(())
    }

    async fn write_people(
        &self,
        transaction: &DatabaseTransaction,
        changed: &[(&UserFacts, UserFacts)],
    ) -> Result<(), StoreError> {
        if changed.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let users: Vec<User> = changed.iter().map(|(_, after)| after.user.clone().touched(now)).collect();
        store::user_rights::update(transaction, &users, now).await?;
        let moved = changed.iter().filter(|(before, after)| before.memberships != after.memberships);
        let (ids, rows): (Vec<UserId>, Vec<_>) =
            moved.map(|(_, after)| (after.user.id, after.memberships.as_slice())).unzip();
        store::team_member::delete_of_users(transaction, &ids).await?;
        store::team_member::put(transaction, &rows.concat()).await?;
        let facts = store::user_facts::load(transaction, users).await?;
        outbox::append(transaction, facts.iter().map(events::user_state), now).await
    }
}
