//! Reading plans, and which one somebody has.

use maas_events::plans::{PlanEntry, PlanTable};
use maas_types::{PlanId, UserId};

use crate::{
    access_events::plan_state,
    domain::plan::Plan,
    service::{KeyService, access_error::AccessError},
    store,
};

impl KeyService {
    /// The highest level first.
    pub async fn list_plans(&self) -> Result<Vec<Plan>, AccessError> {
        Ok(store::plan::in_force(self.database.reader()).await?)
    }

    pub async fn get_plan(&self, id: PlanId) -> Result<Plan, AccessError> {
        store::plan::find(self.database.reader(), id).await?.ok_or(AccessError::NotFound("plan"))
    }

    /// The plan that applies to somebody, by the groups of their last sign-in.
    pub async fn plan_of(&self, user: UserId) -> Result<Plan, AccessError> {
        let plans = self.list_plans().await?;
        let applying = table(&plans).plan_of(&self.groups_of(user)?);
        let found = plans.into_iter().find(|plan| Some(plan.id.uuid()) == applying);
        found.ok_or(AccessError::NotFound("plan"))
    }

    pub(super) async fn plan_table(&self) -> Result<PlanTable, AccessError> {
        Ok(table(&self.list_plans().await?))
    }

    /// Who is not known has no groups.
    pub(super) fn groups_of(&self, user: UserId) -> Result<Vec<String>, AccessError> {
        if !self.users.is_caught_up() {
            return Err(AccessError::NotCaughtUp("users"));
        }
        Ok(self.users.user(user).map(|user| user.groups.into_vec()).unwrap_or_default())
    }
}

fn table(plans: &[Plan]) -> PlanTable {
    // The id of a plan of ours is one.
    PlanTable::default().with(plans.iter().filter_map(|plan| PlanEntry::from_state(plan_state(plan)).ok()))
}
