//! By what usage is told apart in sums, corrections and questions.

use maas_types::{Currency, Operation, Outcome};
use uuid::Uuid;

use super::event::Event;

/// What one piece of usage is booked to. Ids that are missing are the nil UUID, so that a unique key holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dimensions {
    pub key_id: Uuid,
    pub user_id: Uuid,
    pub team_id: Uuid,
    pub organisation_id: Uuid,
    pub cost_centre: String,
    pub model: String,
    pub upstream: String,
    pub operation: Operation,
    pub outcome: Outcome,
    pub currency: Currency,
}

/// One of the ten, by its column in every table of sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    Key,
    User,
    Team,
    Organisation,
    CostCentre,
    Model,
    Upstream,
    Operation,
    Outcome,
    Currency,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DimensionValue<'a> {
    Id(Uuid),
    Text(&'a str),
}

impl Dimension {
    pub const ALL: [Self; 10] = [
        Self::Key,
        Self::User,
        Self::Team,
        Self::Organisation,
        Self::CostCentre,
        Self::Model,
        Self::Upstream,
        Self::Operation,
        Self::Outcome,
        Self::Currency,
    ];

    pub const fn column(self) -> &'static str {
        match self {
            Self::Key => "key_id",
            Self::User => "user_id",
            Self::Team => "team_id",
            Self::Organisation => "organisation_id",
            Self::CostCentre => "cost_centre",
            Self::Model => "model",
            Self::Upstream => "upstream",
            Self::Operation => "operation",
            Self::Outcome => "outcome",
            Self::Currency => "currency",
        }
    }
}

impl Dimensions {
    pub fn of(event: &Event) -> Self {
        Self {
            key_id: event.key.map_or(Uuid::nil(), |key| key.uuid()),
            user_id: event.user.uuid(),
            team_id: event.team.map_or(Uuid::nil(), |team| team.uuid()),
            organisation_id: event.organisation.map_or(Uuid::nil(), |organisation| organisation.uuid()),
            cost_centre: event.cost_centre.clone(),
            model: event.model.clone(),
            upstream: event.upstream.clone(),
            operation: event.operation,
            outcome: event.outcome,
            currency: event.currency,
        }
    }

    pub fn value(&self, dimension: Dimension) -> DimensionValue<'_> {
        match dimension {
            Dimension::Key => DimensionValue::Id(self.key_id),
            Dimension::User => DimensionValue::Id(self.user_id),
            Dimension::Team => DimensionValue::Id(self.team_id),
            Dimension::Organisation => DimensionValue::Id(self.organisation_id),
            Dimension::CostCentre => DimensionValue::Text(&self.cost_centre),
            Dimension::Model => DimensionValue::Text(&self.model),
            Dimension::Upstream => DimensionValue::Text(&self.upstream),
            Dimension::Operation => DimensionValue::Text(self.operation.as_str()),
            Dimension::Outcome => DimensionValue::Text(self.outcome.as_str()),
            Dimension::Currency => DimensionValue::Text(self.currency.as_str()),
        }
    }

    /// Whether both name the same payer: who asked, for whom, on whose account, for what kind of work.
    ///
    /// All of this is fixed at admission. What an upstream reports later may change the model, the upstream, the
    /// outcome and the currency of the price, never these.
    pub fn same_payer(&self, other: &Self) -> bool {
        let ids = |of: &Self| (of.key_id, of.user_id, of.team_id, of.organisation_id, of.operation);
        ids(self) == ids(other) && self.cost_centre == other.cost_centre
    }
}
