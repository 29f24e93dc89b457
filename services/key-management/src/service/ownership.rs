//! Whose a new key may be, and of which team.

use maas_types::{TeamId, UserId, input::InputFault};

use super::{CreateKeyInput, KeyService, error::KeyError};
use crate::domain::owner::OwnerKind;

impl KeyService {
    /// Of oneself nothing needs to be known: the caller was just recognised.
    pub(super) fn check_owner(
        &self,
        input: &CreateKeyInput,
        caller: UserId,
        faults: &mut Vec<InputFault>,
    ) -> Result<OwnerKind, KeyError> {
        if input.owner_id == caller && input.team_id.is_none() {
            return Ok(self.users.user(caller).map_or(OwnerKind::User, |owner| owner.kind));
        }
        if !self.users.is_caught_up() {
            return Err(KeyError::NotCaughtUp("users"));
        }
        let owner = self.users.user(input.owner_id).filter(|owner| owner.active);
        if owner.is_none() && input.owner_id != caller {
            faults.push(InputFault::new("/owner_id", "unknown_user", "there is no active user with this id"));
        }
        if let Some(team) = input.team_id {
            self.check_team(input.owner_id, team, faults)?;
        }
        Ok(owner.map_or(OwnerKind::User, |owner| owner.kind))
    }

    /// A key belongs to a team only while its owner does.
    pub(super) fn check_team(&self, owner: UserId, team: TeamId, faults: &mut Vec<InputFault>) -> Result<(), KeyError> {
        if !self.users.is_caught_up() {
            return Err(KeyError::NotCaughtUp("users"));
        }
        if !self.users.user(owner).is_some_and(|owner| owner.may_use(team)) {
            let detail = "the key's owner must be an owner or a member of this team";
            faults.push(InputFault::new("/team_id", "not_a_member", detail));
        }
        Ok(())
    }
}
