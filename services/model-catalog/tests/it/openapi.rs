#[test]
fn the_document_has_every_operation_with_unique_names() {
    let document = serde_json::to_value(maas_model_catalog::openapi()).unwrap();
    let mut operations: Vec<&str> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .filter_map(|operation| operation["operationId"].as_str())
        .collect();
    operations.sort_unstable();
    assert_eq!(
        operations,
        [
            "createModel",
            "createPrice",
            "createUpstream",
            "deleteModel",
            "deleteUpstream",
            "getModel",
            "listAvailableModels",
            "listModels",
            "listPrices",
            "listSources",
            "listUpstreams",
            "syncSource",
            "updateModel",
            "updateUpstream"
        ]
    );
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name} is used and not declared");
    }
}
