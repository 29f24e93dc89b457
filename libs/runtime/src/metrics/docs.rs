//! The page `docs/metrics.md`, rendered from the table.

use std::fmt::Write;

use super::table::{ALL, Buckets, EVERY_SERVICE, MetricDefinition};

const HEAD: &str = "\
# Metrics

What `/metrics` on the operations port shows. Names, labels and buckets are a public contract. This page is generated
from `libs/runtime/src/metrics/table.rs`; do not edit it.

| metric | type | labels | buckets (seconds) | services | meaning |
| --- | --- | --- | --- | --- | --- |
";

/// The whole page.
pub fn docs() -> String {
    let mut page = HEAD.to_owned();
    for definition in ALL {
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {}. |",
            definition.name,
            definition.kind.as_str(),
            or_dash(definition.labels.iter().map(|label| format!("`{label}`"))),
            or_dash(buckets(definition.buckets)),
            services(definition),
            definition.help
        );
    }
    page
}

fn buckets(buckets: Buckets) -> impl Iterator<Item = String> {
    buckets.0.iter().map(f64::to_string)
}

fn services(definition: &MetricDefinition) -> String {
    if definition.services == EVERY_SERVICE {
        return "all".to_owned();
    }
    or_dash(definition.services.iter().map(|service| service.as_str().to_owned()))
}

fn or_dash(parts: impl Iterator<Item = String>) -> String {
    let joined = parts.collect::<Vec<_>>().join(", ");
    if joined.is_empty() { "–".to_owned() } else { joined }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    /// `MAAS_UPDATE_DOCS=1 cargo test -p maas-runtime` writes the page instead of comparing it.
    #[test]
    fn the_committed_page_is_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
        if std::env::var_os("MAAS_UPDATE_DOCS").is_some() {
            std::fs::write(path, super::docs()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), super::docs(), "see this test's comment");
    }
}
