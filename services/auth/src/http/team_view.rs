//! Teams and their members as the API shows them.

use maas_types::{OrganisationId, TeamId, TeamRole, Timestamp, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use super::user_view::{KindView, StatusView};
use crate::{
    domain::{
        team::{MemberSource, Team},
        user_facts::effective_teams,
    },
    service::members::Member,
};

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Team)]
pub struct TeamView {
    pub id: TeamId,
    #[schema(example = "search")]
    pub name: String,
    #[schema(example = "Answers from the intranet")]
    pub description: String,
    /// Whom finance charges for what the team uses from now on; empty = nobody yet.
    #[schema(example = "4711")]
    pub cost_centre: String,
    pub organisation_id: OrganisationId,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TeamMember)]
pub struct MemberView {
    pub user_id: UserId,
    #[schema(example = "ada")]
    pub user_name: String,
    #[schema(example = "Ada Lovelace")]
    pub display_name: Option<String>,
    pub kind: KindView,
    pub status: StatusView,
    /// What counts: the higher one of the next two. Absent once the person has left the team.
    pub role: Option<TeamRole>,
    /// Given by an admin or an owner of the team.
    pub granted_role: Option<TeamRole>,
    /// From the person's groups. It goes with them.
    pub group_role: Option<TeamRole>,
    pub since: Option<Timestamp>,
}

impl TeamView {
    pub fn to_api(team: Team) -> Self {
        Self {
            id: team.id,
            name: team.name,
            description: team.description,
            cost_centre: team.cost_centre,
            organisation_id: team.organisation_id,
            created_at: team.created_at,
            updated_at: team.updated_at,
        }
    }
}

impl MemberView {
    pub fn to_api(member: Member) -> Self {
        let Member { user, rows } = member;
        let of_source = |source| rows.iter().find(|row| row.source == source).map(|row| row.role);
        Self {
            user_id: user.id,
            user_name: user.user_name,
            display_name: user.display_name,
            kind: KindView::to_api(user.kind),
            status: StatusView::to_api(user.status),
            role: effective_teams(&rows).first().map(|(_, role)| *role),
            granted_role: of_source(MemberSource::Manual),
            group_role: of_source(MemberSource::Group),
            since: rows.iter().map(|row| row.created_at).min(),
        }
    }
}
