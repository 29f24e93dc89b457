//! The parameters that all questions about usage share: the period and the filters.

use maas_types::{Currency, KeyId, Operation, OrganisationId, Outcome, TeamId, Timestamp, UserId};
use maas_web::{AccessScope, FieldFault, Problem, Require, permission::ReadUsage};
use serde::Deserialize;
use utoipa::IntoParams;

use super::period_problem;
use crate::{
    domain::{
        dimensions::Dimension,
        filter::{UsageFilter, Value, Visibility},
        period::Period,
    },
    service::analytics::Usage,
};

/// The longest name that can be filtered by, in characters.
pub const MAX_NAME_CHARACTERS: usize = 255;
/// Values of one filter.
const MOST_VALUES: usize = 100;

/// A filter that is given several times lets through any of its values; different filters hold together. Values that
/// are nowhere in the ledger match nothing.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct UsageFilterQuery {
    /// Only requests to the model of this name.
    #[param(example = json!(["llama-3.1-8b-instruct"]))]
    pub model: Vec<String>,
    /// Only requests that this upstream answered.
    #[param(example = json!(["gpu-a"]))]
    pub upstream: Vec<String>,
    /// Only requests of this user.
    pub user_id: Vec<UserId>,
    /// Only requests with this key.
    pub key_id: Vec<KeyId>,
    /// Only requests that are booked to this team.
    pub team_id: Vec<TeamId>,
    /// Only requests that are booked to this organisation.
    pub organisation_id: Vec<OrganisationId>,
    /// Only requests that are booked to this cost centre.
    #[param(example = json!(["CC-4711"]))]
    pub cost_centre: Vec<String>,
    /// Only requests of this kind.
    #[param(example = json!(["chat"]))]
    pub operation: Vec<String>,
    /// Only requests that ended like this.
    #[param(example = json!(["success"]))]
    pub outcome: Vec<String>,
    /// Only what is charged in this currency. If it is one, `cost` is given in it.
    #[param(example = json!(["USD"]))]
    pub currency: Vec<Currency>,
}

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct PeriodQuery {
    /// Start of the period, inclusive; by default the start of the calendar month (UTC) that it ends in.
    pub from: Option<Timestamp>,
    /// End of the period, exclusive; by default now. At most 366 days after `from`.
    pub to: Option<Timestamp>,
}

impl PeriodQuery {
    pub fn checked(&self, now: Timestamp) -> Result<Period, Problem> {
        Period::of_question(self.from, self.to, now).map_err(period_problem)
    }

    pub fn usage(&self, now: Timestamp, filter: UsageFilter) -> Result<Usage, Problem> {
        Ok(Usage { period: self.checked(now)?, filter })
    }
}

impl UsageFilterQuery {
    /// What the caller may see of what they ask for.
    pub fn checked(self, require: &Require<ReadUsage>) -> Result<UsageFilter, Problem> {
        let mut faults = Vec::new();
        let names = [
            (Dimension::Model, "model", self.model),
            (Dimension::Upstream, "upstream", self.upstream),
            (Dimension::CostCentre, "cost_centre", self.cost_centre),
            (Dimension::Operation, "operation", self.operation),
            (Dimension::Outcome, "outcome", self.outcome),
        ];
        let mut wanted = Vec::new();
        for (dimension, name, values) in names {
            values.iter().for_each(|value| check_value(dimension, name, value, &mut faults));
            wanted.push((dimension, name, values.into_iter().map(Value::Text).collect::<Vec<_>>()));
        }
        let currencies = self.currency.iter().map(|currency| Value::Text(currency.to_string()));
        wanted.push((Dimension::Currency, "currency", currencies.collect()));
        wanted.push((Dimension::User, "user_id", ids(self.user_id.iter().map(|id| id.uuid()))));
        wanted.push((Dimension::Key, "key_id", ids(self.key_id.iter().map(|id| id.uuid()))));
        wanted.push((Dimension::Team, "team_id", ids(self.team_id.iter().map(|id| id.uuid()))));
        wanted.push((Dimension::Organisation, "organisation_id", ids(self.organisation_id.iter().map(|id| id.uuid()))));
        for (_, name, _) in wanted.iter().filter(|(_, _, values)| values.len() > MOST_VALUES) {
            faults.push(FieldFault::new(format!("?{name}"), "too_many", format!("at most {MOST_VALUES} values")));
        }
        if !faults.is_empty() {
            return Err(Problem::invalid(faults));
        }
        let wanted = wanted.into_iter().map(|(dimension, _, values)| (dimension, values));
        Ok(UsageFilter::new(visibility(require), wanted))
    }
}

fn ids(ids: impl Iterator<Item = uuid::Uuid>) -> Vec<Value> {
    ids.map(Value::Id).collect()
}

/// Own usage and that of owned teams, or everything.
pub fn visibility(require: &Require<ReadUsage>) -> Visibility {
    match require.scope {
        AccessScope::All => Visibility::Everything,
        AccessScope::Own(user) => Visibility::Of { user, teams: require.caller.owned_teams() },
    }
}

fn check_value(dimension: Dimension, name: &str, value: &str, faults: &mut Vec<FieldFault>) {
    let known: Option<Vec<&str>> = match dimension {
        Dimension::Operation => Some(Operation::ALL.iter().map(|operation| operation.as_str()).collect()),
        Dimension::Outcome => Some(Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect()),
        _ => None,
    };
    let detail = match known {
        Some(known) if !known.contains(&value) => format!("must be one of {}", known.join(", ")),
        None if !is_a_name(value) => {
            format!("at most {MAX_NAME_CHARACTERS} characters, no control characters")
        }
        _ => return,
    };
    faults.push(FieldFault::new(format!("?{name}"), "invalid_value", detail));
}

/// Whether a text can be a name in the ledger. What cannot is refused: Postgres would fail on a NUL.
pub fn is_a_name(text: &str) -> bool {
    !text.chars().any(char::is_control) && text.chars().count() <= MAX_NAME_CHARACTERS
}
