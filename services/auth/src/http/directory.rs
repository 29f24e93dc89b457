//! What the operations on users, teams and mappings share: whose things a caller may change, and errors as problems.

use maas_types::{TeamId, input::check_text};
use maas_web::{AccessScope, Caller, FieldFault, Problem, ProblemCode};

use super::store_problem;
use crate::{
    app::AuthState,
    domain::{federated::MAX_GROUP_CHARACTERS, team::Team},
    service::{
        group_mappings::GroupMappingError,
        invitations::InviteError,
        organisations::OrganisationError,
        service_accounts::ServiceAccountError,
        teams::{TeamAuthority, TeamError},
    },
};

/// Own teams are those that one owns.
pub fn team_authority(scope: AccessScope) -> TeamAuthority {
    match scope {
        AccessScope::All => TeamAuthority::All,
        AccessScope::Own(user) => TeamAuthority::Owner(user),
    }
}

/// The team, if the caller may know of it: admins of all, others of those that they are in.
pub async fn visible_team(state: &AuthState, id: TeamId, scope: AccessScope, caller: &Caller) -> Result<Team, Problem> {
    let may_see = scope == AccessScope::All || caller.team_role(id).is_some();
    let team = state.core().team(id).await.map_err(store_problem)?;
    team.filter(|_| may_see).ok_or_else(|| Problem::not_found("team"))
}

/// The faults of a text of at most `max` characters.
pub fn text_faults(pointer: &str, text: Option<&String>, max: usize) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    if let Some(text) = text {
        check_text(pointer, text, max, &mut faults);
    }
    faults.into_iter().map(|fault| FieldFault::new(fault.pointer, fault.code, fault.detail)).collect()
}

/// Like [`text_faults`], and the text must not be empty.
pub fn required_text_faults(pointer: &str, text: &String, max: usize) -> Vec<FieldFault> {
    if text.trim().is_empty() {
        return vec![FieldFault::new(pointer, "empty", "must not be empty")];
    }
    text_faults(pointer, Some(text), max)
}

/// A group is written exactly as the provider writes it.
pub fn group_faults(pointer: &str, group: &String) -> Vec<FieldFault> {
    if group.is_empty() {
        return vec![FieldFault::new(pointer, "empty", "must not be empty")];
    }
    text_faults(pointer, Some(group), MAX_GROUP_CHARACTERS)
}

fn fault(pointer: &str, code: &str, error: &impl ToString) -> Problem {
    Problem::invalid(vec![FieldFault::new(pointer, code, error.to_string())])
}

impl From<TeamError> for Problem {
    fn from(error: TeamError) -> Self {
        match error {
            TeamError::NotFound => Self::not_found("team"),
            TeamError::NotAMember => Self::not_found("member of this team"),
            TeamError::NoOrganisation => fault("/organisation_id", "unknown_organisation", &error),
            TeamError::NoUser => fault("/user_id", "unknown_user", &error),
            TeamError::NameTaken | TeamError::AlreadyAMember => {
                Self::with_detail(ProblemCode::AlreadyExists, error.to_string())
            }
            TeamError::NotAllowed(_) => Self::with_detail(ProblemCode::PermissionDenied, error.to_string()),
            TeamError::LastOwner(_)
            | TeamError::OwnServiceAccount
            | TeamError::ByGroup
            | TeamError::OwnsServiceAccounts => Self::with_detail(ProblemCode::Conflict, error.to_string()),
            TeamError::VersionMoved => Self::new(ProblemCode::EtagMismatch),
            TeamError::Store(error) => store_problem(error),
        }
    }
}

impl From<ServiceAccountError> for Problem {
    fn from(error: ServiceAccountError) -> Self {
        match error {
            ServiceAccountError::NotFound => Self::not_found("service account"),
            ServiceAccountError::TeamNeeded => fault("/team_id", "required", &error),
            ServiceAccountError::Team(TeamError::NotFound) => {
                fault("/team_id", "unknown_team", &"no such team of yours")
            }
            ServiceAccountError::Team(error) => error.into(),
            ServiceAccountError::User(error) => error.into(),
            ServiceAccountError::Store(error) => store_problem(error),
        }
    }
}

impl From<OrganisationError> for Problem {
    fn from(error: OrganisationError) -> Self {
        match error {
            OrganisationError::NotFound => Self::not_found("organisation"),
            OrganisationError::NameTaken => Self::new(ProblemCode::AlreadyExists),
            OrganisationError::IsDefault | OrganisationError::HasTeams => {
                Self::with_detail(ProblemCode::Conflict, error.to_string())
            }
            OrganisationError::VersionMoved => Self::new(ProblemCode::EtagMismatch),
            OrganisationError::Store(error) => store_problem(error),
        }
    }
}

impl From<GroupMappingError> for Problem {
    fn from(error: GroupMappingError) -> Self {
        match error {
            GroupMappingError::NotFound => Self::not_found("group mapping"),
            GroupMappingError::AlreadyExists => Self::with_detail(ProblemCode::AlreadyExists, error.to_string()),
            GroupMappingError::TooMany => Self::with_detail(ProblemCode::Conflict, error.to_string()),
            GroupMappingError::NoTeam => fault("/team/team_id", "unknown_team", &error),
            GroupMappingError::GivesNothing => fault("/role", "required", &error),
            GroupMappingError::VersionMoved => Self::new(ProblemCode::EtagMismatch),
            GroupMappingError::Store(error) => store_problem(error),
        }
    }
}

impl From<InviteError> for Problem {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::UnknownProvider => fault("/provider", "unknown_provider", &error),
            InviteError::Known => Self::with_detail(ProblemCode::AlreadyExists, error.to_string()),
            InviteError::Provider(error) => Self::unavailable(error),
            InviteError::User(error) => error.into(),
            InviteError::Store(error) => store_problem(error),
        }
    }
}
