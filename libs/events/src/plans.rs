//! The plans (tiers): which one a person has, and which models it opens. One rule for all who ask.
//!
//! There are few, so they are one immutable table, sorted by level; a change makes another table.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::{
    state::PlanState,
    validate::{InvalidEvent, required_uuid},
};

#[derive(Debug, Clone)]
struct Plan {
    version: u64,
    deleted: bool,
    level: u32,
    groups: HashSet<Box<str>>,
    is_default: bool,
    /// `None`: all.
    models: Option<HashSet<Box<str>>>,
}

/// Every plan, by its id; deleted ones stay, so that an older value cannot bring them back.
#[derive(Debug, Clone, Default)]
pub struct PlanTable {
    by_id: HashMap<Uuid, Plan>,
    /// Those in force, the highest level first.
    ranked: Vec<(Uuid, Plan)>,
}

/// A plan's value as it came.
#[derive(Debug)]
pub struct PlanEntry {
    id: Uuid,
    plan: Plan,
}

impl PlanEntry {
    pub fn from_state(state: PlanState) -> Result<Self, InvalidEvent> {
        let boxed = |texts: Vec<String>| texts.into_iter().map(String::into_boxed_str).collect();
        let plan = Plan {
            version: state.version,
            deleted: state.deleted,
            level: state.level,
            groups: boxed(state.groups),
            is_default: state.is_default,
            models: (!state.all_models).then(|| boxed(state.models)),
        };
        Ok(Self { id: required_uuid("id", &state.id)?, plan })
    }
}

impl PlanTable {
    /// The version that is held, of a deleted plan too.
    pub fn version_of(&self, id: Uuid) -> Option<u64> {
        self.by_id.get(&id).map(|plan| plan.version)
    }

    /// This table with newer values taken over.
    pub fn with(&self, entries: impl IntoIterator<Item = PlanEntry>) -> Self {
        let mut by_id = self.by_id.clone();
        for PlanEntry { id, plan } in entries {
            if by_id.get(&id).is_none_or(|known| known.version < plan.version) {
                by_id.insert(id, plan);
            }
        }
        let in_force = by_id.iter().filter(|(_, plan)| !plan.deleted);
        let mut ranked: Vec<_> = in_force.map(|(id, plan)| (*id, plan.clone())).collect();
        ranked.sort_by_key(|(_, plan)| std::cmp::Reverse(plan.level));
        Self { by_id, ranked }
    }

    /// The plan of somebody in these groups: of those that name one of them the one with the highest level, else the
    /// default. `None`: no default plan is known here.
    pub fn plan_of<G: AsRef<str>>(&self, groups: &[G]) -> Option<Uuid> {
        self.applying(groups).map(|(id, _)| *id)
    }

    /// Whether the plan of somebody in these groups opens the model. Where there is no plan at all, nothing is closed.
    pub fn opens<G: AsRef<str>>(&self, groups: &[G], model: &str) -> bool {
        let plan = self.applying(groups);
        plan.and_then(|(_, plan)| plan.models.as_ref()).is_none_or(|models| models.contains(model))
    }

    /// The public names that the plan of somebody in these groups opens; `None`: all.
    pub fn models_of<G: AsRef<str>>(&self, groups: &[G]) -> Option<Vec<String>> {
        let (_, plan) = self.applying(groups)?;
        plan.models.as_ref().map(|models| models.iter().map(|model| model.to_string()).collect())
    }

    fn applying<G: AsRef<str>>(&self, groups: &[G]) -> Option<&(Uuid, Plan)> {
        let joined = |plan: &Plan| groups.iter().any(|group| plan.groups.contains(group.as_ref()));
        let given = self.ranked.iter().find(|(_, plan)| joined(plan));
        given.or_else(|| self.ranked.iter().find(|(_, plan)| plan.is_default))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn plan(id: u128, version: u64, level: u32, groups: &[&str], models: &[&str]) -> PlanState {
        PlanState {
            id: Uuid::from_u128(id).as_bytes().to_vec().into(),
            version,
            level,
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            is_default: groups.is_empty(),
            all_models: models.is_empty(),
            models: models.iter().map(|&model| model.to_owned()).collect(),
            ..PlanState::default()
        }
    }

    fn table(plans: Vec<PlanState>) -> PlanTable {
        PlanTable::default().with(plans.into_iter().map(|state| PlanEntry::from_state(state).unwrap()))
    }

    #[test]
    fn who_is_in_several_plans_has_the_highest() {
        let table = table(vec![
            plan(1, 1, 0, &[], &["small"]),
            plan(2, 1, 10, &["staff"], &["large"]),
            plan(3, 1, 20, &["lab"], &[]),
        ]);
        let nobody: [&str; 0] = [];
        assert!(table.opens(&nobody, "small") && !table.opens(&nobody, "large"));
        assert!(table.opens(&["staff"], "large") && !table.opens(&["staff"], "small"));
        assert!(table.opens(&["staff", "lab"], "small"), "the highest plan opens everything");
        assert_eq!(table.plan_of(&["staff", "lab"]), Some(Uuid::from_u128(3)));
        assert_eq!((table.models_of(&["staff"]), table.models_of(&["lab"])), (Some(vec!["large".to_owned()]), None));
        assert_eq!(table.plan_of(&["guests"]), Some(Uuid::from_u128(1)), "in none: the default");
    }

    #[test]
    fn a_deleted_plan_does_not_come_back_with_an_older_value() {
        let nobody: [&str; 0] = [];
        let before = table(vec![plan(1, 2, 0, &[], &["small"])]);
        let deleted = PlanState { deleted: true, ..plan(1, 3, 0, &[], &["small"]) };
        let after = before.with([PlanEntry::from_state(deleted).unwrap()]);
        let again = after.with([PlanEntry::from_state(plan(1, 2, 0, &[], &["small"])).unwrap()]);
        assert!(!before.opens(&nobody, "large"));
        assert!(after.opens(&nobody, "large") && again.opens(&nobody, "large"));
    }
}
