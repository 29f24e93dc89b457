use serde_json::json;

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
            "getModelHealth",
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

#[test]
fn the_document_lists_the_texts_that_are_sent() {
    let document = serde_json::to_value(maas_model_catalog::openapi()).unwrap();
    let texts = |schema: &str| document["components"]["schemas"][schema]["enum"].clone();
    for (schema, expected) in [
        ("ModelKind", json!(["chat", "completion", "embedding", "rerank", "image", "audio", "moderation"])),
        ("ModelLifecycle", json!(["preview", "available", "deprecated", "disabled"])),
        ("ModelRouting", json!(["weighted", "least_loaded"])),
        ("ModelAffinity", json!(["none", "prefix"])),
        ("UpstreamDialect", json!(["openai", "anthropic", "azure_openai"])),
        ("UpstreamNativeApi", json!(["responses", "messages"])),
        ("CatalogCircuit", json!(["unknown", "closed", "half_open", "open"])),
        ("CatalogHealthStatus", json!(["ok", "degraded", "down", "unknown"])),
        ("CatalogHealthCheck", json!(["passed", "failed", "none"])),
    ] {
        assert_eq!(texts(schema), expected, "{schema}");
    }
}
