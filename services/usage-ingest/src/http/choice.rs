//! Parameters that choose from a list: what is not in it is refused with the list.

use maas_web::{FieldFault, Problem};

use crate::domain::{
    analytics::{interval::Interval, metric::Metric},
    dimensions::Dimension,
    zone::Zone,
};

/// What dimensions are called in questions.
pub const DIMENSIONS: [(&str, Dimension); 10] = [
    ("model", Dimension::Model),
    ("upstream", Dimension::Upstream),
    ("team", Dimension::Team),
    ("organisation", Dimension::Organisation),
    ("cost_centre", Dimension::CostCentre),
    ("user", Dimension::User),
    ("key", Dimension::Key),
    ("operation", Dimension::Operation),
    ("outcome", Dimension::Outcome),
    ("currency", Dimension::Currency),
];

pub fn dimension_name(dimension: Dimension) -> &'static str {
    DIMENSIONS.iter().find(|(_, known)| *known == dimension).map_or("", |(name, _)| *name)
}

pub fn dimension(parameter: &str, text: &str) -> Result<Dimension, Problem> {
    let found = DIMENSIONS.iter().find(|(name, _)| *name == text).map(|(_, dimension)| *dimension);
    found.ok_or_else(|| not_one_of(parameter, DIMENSIONS.iter().map(|(name, _)| *name)))
}

pub fn metric(parameter: &str, text: &str) -> Result<Metric, Problem> {
    Metric::parse(text).ok_or_else(|| not_one_of(parameter, Metric::all().map(|(name, _)| name)))
}

pub fn interval(parameter: &str, text: &str) -> Result<Interval, Problem> {
    Interval::parse(text).ok_or_else(|| not_one_of(parameter, Interval::ALL.map(Interval::as_str)))
}

/// UTC when nothing is said.
pub fn zone(parameter: &str, text: Option<&str>) -> Result<Zone, Problem> {
    let Some(text) = text else { return Ok(Zone::UTC) };
    Zone::find(text).ok_or_else(|| {
        let detail = "must be the name of a zone in the IANA time zone database, such as UTC or Europe/Berlin";
        Problem::invalid(vec![FieldFault::new(format!("?{parameter}"), "invalid_value", detail)])
    })
}

pub fn not_one_of<'a>(parameter: &str, known: impl IntoIterator<Item = &'a str>) -> Problem {
    let known: Vec<_> = known.into_iter().collect();
    let detail = format!("must be one of {}", known.join(", "));
    Problem::invalid(vec![FieldFault::new(format!("?{parameter}"), "invalid_value", detail)])
}
