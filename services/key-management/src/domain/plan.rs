//! A plan (tier): who is in it, and which models it opens.

use std::collections::BTreeSet;

use maas_types::{PlanId, Timestamp, input::InputFault, input::check_text};

use super::key::AllowedModels;

/// The highest level that a plan may have.
pub const MAX_LEVEL: u32 = 1_000_000;
/// How many groups a plan names at most.
pub const MAX_GROUPS: usize = 500;
/// The longest name of a group, in characters.
const MAX_GROUP: usize = 255;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub id: PlanId,
    /// 1 for a new plan, one more with each change.
    pub version: u64,
    /// No two plans have the same.
    pub name: String,
    /// Who is in several plans has the one with the highest level. No two plans have the same.
    pub level: u32,
    /// Who is in one of these groups is in the plan.
    pub groups: BTreeSet<String>,
    pub models: AllowedModels,
    /// The plan of those who are in none; there is exactly one.
    pub is_default: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Of a deleted plan nothing but its end is told.
    pub deleted_at: Option<Timestamp>,
}

/// What of a plan is to become different.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanEdit {
    pub name: Option<String>,
    pub level: Option<u32>,
    pub groups: Option<BTreeSet<String>>,
    pub models: Option<AllowedModels>,
    pub is_default: Option<bool>,
}

/// Why a plan cannot be changed like that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedPlanChange {
    #[error("there is always one default plan: make another plan the default, and this one is not any more")]
    StaysDefault,
    #[error("the default plan cannot be deleted: make another plan the default first")]
    DeletesDefault,
}

impl Plan {
    /// `None`: it is like that already.
    pub fn edited(&self, edit: PlanEdit, now: Timestamp) -> Result<Option<Self>, RefusedPlanChange> {
        let is_default = edit.is_default.unwrap_or(self.is_default);
        if self.is_default && !is_default {
            return Err(RefusedPlanChange::StaysDefault);
        }
        let after = Self {
            name: edit.name.unwrap_or_else(|| self.name.clone()),
            level: edit.level.unwrap_or(self.level),
            groups: edit.groups.unwrap_or_else(|| self.groups.clone()),
            models: edit.models.unwrap_or_else(|| self.models.clone()),
            is_default,
            ..self.clone()
        };
        Ok((after != *self).then(|| after.next_version(now)))
    }

    /// The default plan before, after another took its place.
    pub fn replaced_as_default(&self, now: Timestamp) -> Self {
        Self { is_default: false, ..self.clone() }.next_version(now)
    }

    pub fn deleted(&self, now: Timestamp) -> Result<Self, RefusedPlanChange> {
        if self.is_default {
            return Err(RefusedPlanChange::DeletesDefault);
        }
        Ok(Self { deleted_at: Some(now), ..self.clone() }.next_version(now))
    }

    fn next_version(self, now: Timestamp) -> Self {
        Self { version: self.version + 1, updated_at: now, ..self }
    }
}

/// The groups as a set; what is wrong with them goes into `faults`.
pub fn parse_groups(groups: &[String], faults: &mut Vec<InputFault>) -> BTreeSet<String> {
    if groups.len() > MAX_GROUPS {
        faults.push(InputFault::new("/groups", "too_many", format!("at most {MAX_GROUPS} groups")));
        return BTreeSet::new();
    }
    for (index, group) in groups.iter().enumerate() {
        let pointer = format!("/groups/{index}");
        if group.trim().is_empty() {
            faults.push(InputFault::new(&pointer, "empty", "must not be empty"));
        }
        check_text(&pointer, group, MAX_GROUP, faults);
    }
    groups.iter().cloned().collect()
}

pub fn check_level(level: u32, faults: &mut Vec<InputFault>) {
    if level > MAX_LEVEL {
        faults.push(InputFault::new("/level", "out_of_range", format!("0 to {MAX_LEVEL}")));
    }
}
