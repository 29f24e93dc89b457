//! Comparing what `/metrics` shows with the table, for the tests of every service.

use std::collections::BTreeSet;

use super::table::{ALL, Kind, MetricDefinition};

/// What the text shows and the table does not declare: unknown names, and labels that are not the declared ones.
pub fn undeclared(exposition: &str) -> Vec<String> {
    let lines = exposition.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let found: BTreeSet<String> = lines.filter_map(fault_of_line).collect();
    found.into_iter().collect()
}

fn fault_of_line(line: &str) -> Option<String> {
    let name = line.split(['{', ' ']).next().unwrap_or_default();
    let Some(definition) = ALL.iter().find(|definition| shows_as(definition, name)) else {
        return Some(format!("{name} is not in the table"));
    };
    let labels = line[name.len()..].strip_prefix('{').map(label_names).unwrap_or_default();
    let shown: BTreeSet<&str> = labels.into_iter().filter(|label| *label != "le").collect();
    let declared: BTreeSet<&str> = definition.labels.iter().copied().collect();
    (shown != declared).then(|| format!("{name} shows the labels {shown:?}, the table declares {declared:?}"))
}

fn shows_as(definition: &MetricDefinition, name: &str) -> bool {
    match definition.kind {
        Kind::Counter | Kind::Gauge => definition.name == name,
        Kind::Histogram => {
            name.strip_prefix(definition.name).is_some_and(|suffix| ["_bucket", "_sum", "_count"].contains(&suffix))
        }
    }
}

/// The names in `a="x",b="y"} 1`; values may hold any character, quotes escaped.
fn label_names(mut rest: &str) -> Vec<&str> {
    let mut names = Vec::new();
    while let Some((name, value)) = rest.split_once("=\"") {
        names.push(name.trim_start_matches(','));
        let mut escaped = false;
        let end = value.char_indices().find(|(_, character)| {
            let closes = *character == '"' && !escaped;
            escaped = *character == '\\' && !escaped;
            closes
        });
        rest = end.map_or("", |(index, _)| &value[index + 1..]);
        if rest.starts_with('}') {
            break;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_and_labels_are_found() {
        let text = "# HELP x y\nmaas_outbox_pending 1\nmaas_nonsense 1\nmaas_catalog_model_ready{modl=\"a\"} 1\n\
                    maas_proxy_overhead_seconds_bucket{le=\"1.0\",phase=\"to\\\"t=\\\"al\"} 3\n# EOF\n";
        let found = undeclared(text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("maas_catalog_model_ready shows"), "{found:?}");
        assert_eq!(found[1], "maas_nonsense is not in the table");
    }
}
