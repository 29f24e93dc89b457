//! Making, changing and deleting plans. There is always exactly one default plan.

use maas_events::audit_entry::Actor;
use maas_store::{StoreError, outbox};
use maas_types::{
    PlanId, Timestamp, UserId,
    input::{InputFault, check_name},
};
use sea_orm::{ConnectionTrait, DatabaseTransaction};

use crate::{
    access_events,
    domain::{
        key::AllowedModels,
        plan::{Plan, PlanEdit, check_level, parse_groups},
    },
    service::{KeyService, access_error::AccessError, model_names::resolve_models},
    store::{self, access_request::AccessRequest, idempotency::IdempotencyHash},
};

const KIND: &str = "plan";
const FIRST_PLAN: &str = "default";
/// How often a change is tried again after somebody else's came first.
const ATTEMPTS: usize = 8;

#[derive(Debug, Clone)]
pub struct CreatePlanInput {
    pub name: String,
    pub level: u32,
    pub groups: Vec<String>,
    /// Names or aliases; `None` for all models.
    pub models: Option<Vec<String>>,
    pub is_default: bool,
    pub idempotency: Option<IdempotencyHash>,
}

/// What is `None` stays.
#[derive(Debug, Clone)]
pub struct UpdatePlanInput {
    pub name: Option<String>,
    pub level: Option<u32>,
    pub groups: Option<Vec<String>>,
    /// `Some(None)` for all models.
    pub models: Option<Option<Vec<String>>>,
    pub is_default: Option<bool>,
}

impl KeyService {
    /// Makes the plan of everybody where there is none: the first start.
    pub async fn ensure_default_plan(&self) -> Result<(), AccessError> {
        let transaction = self.database.begin().await?;
        if store::plan::in_force(&transaction).await?.iter().any(|plan| plan.is_default) {
            return Ok(());
        }
        let input = CreatePlanInput {
            name: FIRST_PLAN.to_owned(),
            level: 0,
            groups: Vec::new(),
            models: None,
            is_default: true,
            idempotency: None,
        };
        let plan = new_plan(input, AllowedModels::All, Default::default(), self.clock.now());
        match self.insert_plan(transaction, &plan, None, &Actor::system(crate::events::SERVICE)).await {
            // Another replica was faster.
            Err(AccessError::Store(StoreError::Duplicate(_))) => Ok(()),
            result => result,
        }
    }

    pub async fn create_plan(
        &self,
        input: CreatePlanInput,
        caller: UserId,
        actor: &Actor,
    ) -> Result<Plan, AccessError> {
        let now = self.clock.now();
        let request = input.idempotency.map(|hash| AccessRequest { caller, kind: KIND, hash });
        self.refuse_replayed_plan(request.as_ref(), now).await?;
        let mut faults = Vec::new();
        check_name("/name", &input.name, &mut faults);
        check_level(input.level, &mut faults);
        let groups = parse_groups(&input.groups, &mut faults);
        let models = self.plan_models(input.models.as_deref(), None, &mut faults)?;
        let Some(models) = models.filter(|_| faults.is_empty()) else { return Err(AccessError::Invalid(faults)) };
        let plan = new_plan(input, models, groups, now);
        let transaction = self.database.begin().await?;
        check_taken(&transaction, &plan).await?;
        match self.insert_plan(transaction, &plan, request.as_ref(), actor).await {
            // Somebody else committed in between: a request with the same Idempotency-Key, or a plan like this.
            Err(AccessError::Store(StoreError::Duplicate(_))) => {
                self.refuse_replayed_plan(request.as_ref(), now).await?;
                Err(AccessError::PlanTaken("name or level"))
            }
            result => result.map(|()| plan),
        }
    }

    /// `seen_version`: what the client's change is based on.
    pub async fn update_plan(
        &self,
        id: PlanId,
        input: &UpdatePlanInput,
        seen_version: Option<u64>,
        actor: &Actor,
    ) -> Result<Plan, AccessError> {
        for _ in 0..ATTEMPTS {
            match self.try_update_plan(id, input, seen_version, actor).await {
                Ok(Some(plan)) => return Ok(plan),
                Ok(None) | Err(AccessError::Store(StoreError::Conflict(_))) => {}
                Err(AccessError::Store(StoreError::Duplicate(_))) => {
                    return Err(AccessError::PlanTaken("name or level"));
                }
                Err(error) => return Err(error),
            }
        }
        Err(AccessError::Contended)
    }

    pub async fn delete_plan(&self, id: PlanId, seen_version: Option<u64>, actor: &Actor) -> Result<(), AccessError> {
        let transaction = self.database.begin().await?;
        let before = find(&transaction, id, seen_version).await?;
        let now = self.clock.now();
        let after = before.deleted(now)?;
        if !store::plan::replace(&transaction, &before, &after).await? {
            return Err(AccessError::Contended);
        }
        tell(&transaction, "plan.delete", actor, Some(&before), &after, now).await?;
        self.commit(transaction).await
    }

    /// `None`: somebody else's change came first.
    async fn try_update_plan(
        &self,
        id: PlanId,
        input: &UpdatePlanInput,
        seen_version: Option<u64>,
        actor: &Actor,
    ) -> Result<Option<Plan>, AccessError> {
        let transaction = self.database.begin().await?;
        let before = find(&transaction, id, seen_version).await?;
        let now = self.clock.now();
        let Some(after) = before.edited(self.plan_edit(input, &before)?, now)? else { return Ok(Some(before)) };
        check_taken(&transaction, &after).await?;
        if after.is_default && !before.is_default && !give_up_default(&transaction, actor, now).await? {
            return Ok(None);
        }
        if !store::plan::replace(&transaction, &before, &after).await? {
            return Ok(None);
        }
        tell(&transaction, "plan.update", actor, Some(&before), &after, now).await?;
        self.commit(transaction).await?;
        Ok(Some(after))
    }

    fn plan_edit(&self, input: &UpdatePlanInput, before: &Plan) -> Result<PlanEdit, AccessError> {
        let mut faults = Vec::new();
        if let Some(name) = &input.name {
            check_name("/name", name, &mut faults);
        }
        if let Some(level) = input.level {
            check_level(level, &mut faults);
        }
        let groups = input.groups.as_ref().map(|groups| parse_groups(groups, &mut faults));
        let models = match &input.models {
            None => None,
            Some(names) => self.plan_models(names.as_deref(), Some(&before.models), &mut faults)?,
        };
        if !faults.is_empty() {
            return Err(AccessError::Invalid(faults));
        }
        Ok(PlanEdit { name: input.name.clone(), level: input.level, groups, models, is_default: input.is_default })
    }

    fn plan_models(
        &self,
        names: Option<&[String]>,
        kept: Option<&AllowedModels>,
        faults: &mut Vec<InputFault>,
    ) -> Result<Option<AllowedModels>, AccessError> {
        let Some(names) = names else { return Ok(Some(AllowedModels::All)) };
        // It fails only where the models are not known.
        resolve_models(&self.models, names, kept, faults).map_err(|_| AccessError::NotCaughtUp("models"))
    }

    async fn insert_plan(
        &self,
        transaction: DatabaseTransaction,
        plan: &Plan,
        request: Option<&AccessRequest>,
        actor: &Actor,
    ) -> Result<(), AccessError> {
        let now = plan.created_at;
        if plan.is_default && !give_up_default(&transaction, actor, now).await? {
            return Err(AccessError::Contended);
        }
        if let Some(request) = request {
            store::access_request::insert(&transaction, request, plan.id.uuid(), now).await?;
        }
        store::plan::insert(&transaction, plan).await?;
        tell(&transaction, "plan.create", actor, None, plan, now).await?;
        self.commit(transaction).await
    }

    async fn refuse_replayed_plan(&self, request: Option<&AccessRequest>, now: Timestamp) -> Result<(), AccessError> {
        let Some(request) = request else { return Ok(()) };
        let first = store::access_request::find(self.database.reader(), request, now).await?;
        first.map_or(Ok(()), |id| Err(AccessError::PlanReplayed(PlanId::from_uuid(id))))
    }

    async fn commit(&self, transaction: DatabaseTransaction) -> Result<(), AccessError> {
        transaction.commit().await.map_err(StoreError::from)?;
        self.signal.wake();
        Ok(())
    }
}

fn new_plan(
    input: CreatePlanInput,
    models: AllowedModels,
    groups: std::collections::BTreeSet<String>,
    now: Timestamp,
) -> Plan {
    Plan {
        id: PlanId::new_at(now),
        version: 1,
        name: input.name,
        level: input.level,
        groups,
        models,
        is_default: input.is_default,
        created_at: now,
        updated_at: now,
        deleted_at: None,
    }
}

async fn find(transaction: &DatabaseTransaction, id: PlanId, seen_version: Option<u64>) -> Result<Plan, AccessError> {
    let plan = store::plan::find(transaction, id).await?.ok_or(AccessError::NotFound("plan"))?;
    if seen_version.is_some_and(|seen| seen != plan.version) {
        return Err(AccessError::VersionMismatch);
    }
    Ok(plan)
}

/// Says which of its texts is taken; two at the same moment are told apart by the database.
async fn check_taken(transaction: &DatabaseTransaction, plan: &Plan) -> Result<(), AccessError> {
    for other in store::plan::in_force(transaction).await?.iter().filter(|other| other.id != plan.id) {
        if other.name == plan.name {
            return Err(AccessError::PlanTaken("name"));
        }
        if other.level == plan.level {
            return Err(AccessError::PlanTaken("level"));
        }
    }
    Ok(())
}

/// Makes room for another default plan. `false`: somebody changed the one there is meanwhile.
async fn give_up_default(
    transaction: &DatabaseTransaction,
    actor: &Actor,
    now: Timestamp,
) -> Result<bool, AccessError> {
    let plans = store::plan::in_force(transaction).await?;
    let Some(before) = plans.into_iter().find(|plan| plan.is_default) else { return Ok(true) };
    let after = before.replaced_as_default(now);
    if !store::plan::replace(transaction, &before, &after).await? {
        return Ok(false);
    }
    tell(transaction, "plan.update", actor, Some(&before), &after, now).await?;
    Ok(true)
}

async fn tell(
    transaction: &impl ConnectionTrait,
    action: &str,
    actor: &Actor,
    before: Option<&Plan>,
    after: &Plan,
    now: Timestamp,
) -> Result<(), StoreError> {
    let audit = access_events::plan_audit(actor, action, before, after, now);
    outbox::append(transaction, [access_events::plan_delivery(after), audit], now).await
}
