//! Changes of people, teams and mappings as audit entries show them: all that an admin may see, and no secret.

use maas_events::Delivery;
use maas_types::{TeamId, TeamRole, Timestamp};
use serde_json::{Value, json};

use super::initiator::Initiator;
use crate::{
    domain::{
        audit::{AuditEntry, AuditOutcome},
        group_mapping::GroupMapping,
        team::{Organisation, Team},
        user::User,
        user_facts::UserFacts,
    },
    events,
};

/// What something was before and is after; `None` where there is nothing.
pub type BeforeAfter = (Option<Value>, Option<Value>);

/// A change that worked, on its way to the audit book.
pub fn change(
    initiator: &Initiator,
    action: &str,
    resource: (&str, String),
    (before, after): BeforeAfter,
    now: Timestamp,
) -> Delivery {
    let entry = initiator.entry(action, resource, AuditOutcome::Success, now);
    events::audit_record(&AuditEntry { before, after, ..entry })
}

/// A call that was refused.
pub fn refusal(initiator: &Initiator, action: &str, resource: (&str, String), now: Timestamp) -> Delivery {
    events::audit_record(&initiator.entry(action, resource, AuditOutcome::Denied, now))
}

pub fn user(user: &User) -> Value {
    json!({
        "user_name": user.user_name,
        "display_name": user.display_name,
        "kind": user.kind.as_str(),
        "issuer": user.issuer,
        "provider": user.provider_id,
        "role": user.role,
        "granted_role": user.granted_role,
        "group_role": user.group_role,
        "status": user.status.as_str(),
        "default_team_id": user.default_team_id,
        "team_id": user.service_team_id,
        "must_change_password": user.must_change_password,
        "version": user.version,
    })
}

/// The same with groups and teams.
pub fn facts(facts: &UserFacts) -> Value {
    let mut shown = user(&facts.user);
    shown["groups"] = json!(facts.groups);
    shown["teams"] = facts.teams().into_iter().map(|(team, role)| membership(team, role)).collect();
    shown
}

pub fn team(team: &Team) -> Value {
    json!({
        "name": team.name,
        "description": team.description,
        "cost_centre": team.cost_centre,
        "organisation_id": team.organisation_id,
        "version": team.version,
    })
}

pub fn membership(team: TeamId, role: TeamRole) -> Value {
    json!({ "team_id": team, "role": role })
}

pub fn organisation(organisation: &Organisation) -> Value {
    json!({ "name": organisation.name, "version": organisation.version })
}

pub fn group_mapping(mapping: &GroupMapping) -> Value {
    json!({
        "group": mapping.group,
        "provider": mapping.provider_id,
        "role": mapping.role,
        "team": mapping.team.map(|(team, role)| membership(team, role)),
        "version": mapping.version,
    })
}
