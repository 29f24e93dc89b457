//! The monthly ledger in the columns of FOCUS 1.2, the FinOps Open Cost and Usage Specification
//! (<https://focus.finops.org/focus-specification/v1-2/>).
//!
//! All of its mandatory columns, those of the others that the ledger can fill, and columns of our own, which begin with
//! `x_` as the specification wants it. One row is what one payer used of one model, charged in one currency.

use maas_types::{
    Timestamp,
    csv::{Cell, decimal},
};

use super::analytics::figures::{Count, Figures};

pub const VERSION: &str = "1.2";

pub const COLUMNS: [&str; 38] = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "x_Images",
    "x_InputTokens",
    "x_OutputTokens",
    "x_Requests",
];

/// The platform is its own provider, publisher and issuer: chargeback is inside one organisation.
const PLATFORM: &str = "Models as a Service";
const UNIT: &str = "Tokens";

/// What one row of the ledger is about.
#[derive(Debug, Clone)]
pub struct Charge<'a> {
    /// A team's id or a cost centre; None: usage that nobody's account carries.
    pub payer: Option<&'a str>,
    /// `team` or `cost_centre`.
    pub payer_kind: &'a str,
    pub model: &'a str,
    pub currency: &'a str,
    /// Start and end of the month that it is booked in.
    pub billing: (Timestamp, Timestamp),
    /// Start and end of the month that it was used in.
    pub used: (Timestamp, Timestamp),
    pub figures: &'a Figures,
    /// Nano-units of `currency`.
    pub cost: i128,
}

/// The cells of a row, in the order of [`COLUMNS`].
///
/// All four costs are what was charged: there are no discounts, negotiated prices or payments ahead that would tell them
/// apart, and none of them may be left out. Usage of a closed month that came late corrects an invoiced period, which
/// FOCUS calls a correction.
pub fn row(charge: &Charge<'_>) -> Vec<Cell> {
    let text = |text: &str| Cell::Text(text.to_owned());
    let payer = || charge.payer.map_or(Cell::Missing, text);
    let cost = || Cell::Amount(charge.cost);
    let count = |count| Cell::Number(charge.figures.count(count));
    let tokens = charge.figures.count(Count::InputTokens) + charge.figures.count(Count::OutputTokens);
    let class = if charge.used == charge.billing { Cell::Missing } else { text("Correction") };
    vec![
        cost(),
        text("maas"),
        text(PLATFORM),
        text(charge.currency),
        Cell::TimeOfSeconds(charge.billing.1),
        Cell::TimeOfSeconds(charge.billing.0),
        text("Usage"),
        class,
        Cell::Text(description(charge, tokens)),
        text("Usage-Based"),
        Cell::TimeOfSeconds(charge.used.1),
        Cell::TimeOfSeconds(charge.used.0),
        Cell::Number(tokens),
        text(UNIT),
        cost(),
        cost(),
        text(PLATFORM),
        cost(),
        text("Standard"),
        Cell::Number(tokens),
        text(UNIT),
        text(PLATFORM),
        text(PLATFORM),
        Cell::Missing,
        text(charge.model),
        text(charge.model),
        text("Model"),
        text("AI and Machine Learning"),
        text("Inference"),
        text("Generative AI"),
        text(charge.model),
        payer(),
        payer(),
        charge.payer.map_or(Cell::Missing, |_| text(charge.payer_kind)),
        count(Count::Images),
        count(Count::InputTokens),
        count(Count::OutputTokens),
        count(Count::Requests),
    ]
}

fn description(charge: &Charge<'_>, tokens: i128) -> String {
    let requests = charge.figures.count(Count::Requests);
    format!("{}: {requests} requests, {tokens} tokens, {} {}", charge.model, decimal(charge.cost), charge.currency)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn cell(row: &[Cell], column: &str) -> Cell {
        row[COLUMNS.iter().position(|name| *name == column).unwrap()].clone()
    }

    #[test]
    fn late_usage_of_a_closed_month_is_a_correction() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let november = (time("2026-11-01T00:00:00Z"), time("2026-12-01T00:00:00Z"));
        let october = (time("2026-10-01T00:00:00Z"), time("2026-11-01T00:00:00Z"));
        let mut figures = Figures::default();
        figures.add_count(Count::InputTokens, 100);
        figures.add_count(Count::OutputTokens, 10);
        let charge = Charge {
            payer: Some("CC-1"),
            payer_kind: "cost_centre",
            model: "llama",
            currency: "USD",
            billing: november,
            used: november,
            figures: &figures,
            cost: 1_500,
        };
        let regular = row(&charge);
        assert_eq!(regular.len(), COLUMNS.len());
        assert_eq!(
            (cell(&regular, "ChargeClass"), cell(&regular, "ConsumedQuantity")),
            (Cell::Missing, Cell::Number(110))
        );
        assert_eq!(cell(&regular, "BilledCost"), Cell::Amount(1_500));
        let late = row(&Charge { used: october, ..charge });
        assert_eq!(cell(&late, "ChargeClass"), Cell::Text("Correction".to_owned()));
        assert_eq!(cell(&late, "ChargePeriodEnd"), cell(&late, "BillingPeriodStart"));
    }
}
