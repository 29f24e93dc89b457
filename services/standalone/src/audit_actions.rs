//! Holds `docs/audit.md` to the operations: what changes something says which audit action it writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use utoipa::openapi::OpenApi;

/// The services with an outbox. The data plane changes nothing that the control plane owns.
fn documents() -> [(&'static str, OpenApi); 4] {
    [
        ("auth", maas_auth::openapi()),
        ("key-management", maas_key_management::openapi()),
        ("model-catalog", maas_model_catalog::openapi()),
        ("usage-ingest", maas_usage_ingest::openapi()),
    ]
}

/// Ids of the operations that change something.
fn changes(document: &OpenApi) -> BTreeSet<String> {
    let items = document.paths.paths.values();
    let operations = items.flat_map(|item| [&item.post, &item.put, &item.patch, &item.delete]).flatten();
    operations.map(|operation| operation.operation_id.clone().unwrap()).collect()
}

/// The table of the page: operations, and the actions of each.
fn declared() -> BTreeMap<String, Vec<String>> {
    let page = include_str!("../../../docs/audit.md");
    let table = page.split("\n## Actions\n").nth(1).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut words = row.split('`').skip(1).step_by(2).map(str::to_owned);
        (words.next().unwrap(), words.collect())
    })
    .collect()
}

fn source_of(service: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(service).join("src");
    let mut folders = vec![folder];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { text.push_str(&rust_of(&path)) }
        }
    }
    text
}

fn rust_of(path: &PathBuf) -> String {
    if path.extension().is_some_and(|ending| ending == "rs") {
        fs::read_to_string(path).unwrap()
    } else {
        String::new()
    }
}

#[test]
fn every_operation_that_changes_something_declares_its_audit_action() {
    let declared = declared();
    for (service, document) in documents() {
        for operation in changes(&document) {
            let actions = declared.get(&operation).map(Vec::as_slice).unwrap_or_default();
            assert!(!actions.is_empty(), "{operation} of {service} needs a row in docs/audit.md, under Actions");
        }
    }
}

#[test]
fn every_declared_action_is_one_that_the_service_writes() {
    let declared = declared();
    for (service, document) in documents() {
        let source = source_of(service);
        for operation in changes(&document) {
            for action in declared.get(&operation).into_iter().flatten() {
                assert!(source.contains(&format!("\"{action}\"")), "{service} never writes {action} ({operation})");
            }
        }
    }
}

#[test]
fn only_operations_that_exist_are_declared() {
    let existing: BTreeSet<String> = documents().iter().flat_map(|(_, document)| changes(document)).collect();
    for operation in declared().keys() {
        assert!(existing.contains(operation), "docs/audit.md names {operation}, which is no operation");
    }
}
