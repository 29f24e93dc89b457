//! Group mappings as the API shows and takes them.

use maas_types::{GroupMappingId, Role, TeamId, TeamRole, Timestamp};
use maas_web::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    directory::{group_faults, required_text_faults},
    no_faults,
};
use crate::{
    domain::group_mapping::GroupMapping,
    service::{
        group_mappings::GroupMappingInput,
        reevaluate::{Run, Tally},
    },
};

const MAX_PROVIDER: usize = 255;

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MappedTeam {
    pub team_id: TeamId,
    pub role: TeamRole,
}

/// What a group gives: a role, a team, or both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupMappingRequest {
    /// Exactly as the provider writes it.
    #[schema(example = "llm-admins", min_length = 1, max_length = 255)]
    pub group: String,
    /// Whose group it is; any provider's when left out.
    #[schema(example = "corp")]
    pub provider: Option<String>,
    pub role: Option<Role>,
    pub team: Option<MappedTeam>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GroupMapping)]
pub struct GroupMappingView {
    pub id: GroupMappingId,
    #[schema(example = "llm-admins")]
    pub group: String,
    #[schema(example = "corp")]
    pub provider: Option<String>,
    pub role: Option<Role>,
    pub team: Option<MappedTeam>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A change of a mapping, and what it means for people.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupMappingChange {
    /// Nothing was changed.
    pub dry_run: bool,
    /// The mapping after the change; absent when it is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<GroupMappingView>,
    pub effect: MappingEffect,
}

/// How many people change, and in which way.
#[derive(Debug, Serialize, ToSchema)]
pub struct MappingEffect {
    #[schema(example = 42)]
    pub people: u64,
    #[schema(example = 1)]
    pub roles_raised: u64,
    #[schema(example = 0)]
    pub roles_lowered: u64,
    /// Who comes into a team, leaves one, or gets another role there.
    #[schema(example = 41)]
    pub teams_changed: u64,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DryRunQuery {
    /// Only say what would happen.
    pub dry_run: Option<bool>,
}

impl DryRunQuery {
    pub fn run(&self) -> Run {
        if self.dry_run.unwrap_or(false) { Run::Dry } else { Run::Real }
    }
}

impl GroupMappingRequest {
    pub fn checked(self) -> Result<GroupMappingInput, Problem> {
        let mut faults = group_faults("/group", &self.group);
        if let Some(provider) = &self.provider {
            faults.extend(required_text_faults("/provider", provider, MAX_PROVIDER));
        }
        no_faults(faults)?;
        Ok(GroupMappingInput {
            group: self.group,
            provider_id: self.provider,
            role: self.role,
            team: self.team.map(|team| (team.team_id, team.role)),
        })
    }
}

impl GroupMappingView {
    pub fn to_api(mapping: GroupMapping) -> Self {
        Self {
            id: mapping.id,
            group: mapping.group,
            provider: mapping.provider_id,
            role: mapping.role,
            team: mapping.team.map(|(team_id, role)| MappedTeam { team_id, role }),
            created_at: mapping.created_at,
            updated_at: mapping.updated_at,
        }
    }
}

impl GroupMappingChange {
    pub fn to_api(mapping: Option<GroupMapping>, tally: Tally, run: Run) -> Self {
        let Tally { people, roles_raised, roles_lowered, teams_changed } = tally;
        Self {
            dry_run: run == Run::Dry,
            mapping: mapping.map(GroupMappingView::to_api),
            effect: MappingEffect { people, roles_raised, roles_lowered, teams_changed },
        }
    }
}
