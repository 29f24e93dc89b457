//! Which keys a caller reaches.

use maas_types::{TeamId, UserId};
use maas_web::{AccessScope, Caller};

use super::KeyService;
use crate::domain::owner::KeyScope;

impl KeyService {
    /// What the permission's scope comes to for keys: who owns a team reaches its service accounts and its keys.
    pub fn reach(&self, caller: &Caller, scope: AccessScope) -> KeyScope {
        let AccessScope::Own(user) = scope else { return KeyScope::All };
        let overseen_teams = caller.owned_teams();
        KeyScope::Limited { owners: self.owners_with(user, &overseen_teams), overseen_teams }
    }

    /// A person, and the service accounts of these teams.
    pub(super) fn owners_with(&self, user: UserId, teams: &[TeamId]) -> Vec<UserId> {
        let mut owners = vec![user];
        if !teams.is_empty() {
            owners.extend(self.users.service_accounts_of(teams));
        }
        owners
    }
}
