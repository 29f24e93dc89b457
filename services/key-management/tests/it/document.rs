use serde_json::{Value, json};

fn document() -> Value {
    serde_json::to_value(maas_key_management::openapi()).unwrap()
}

#[test]
fn every_operation_has_an_id_a_tag_and_a_summary() {
    let document = document();
    let mut ids = Vec::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let tags = [json!(["keys"]), json!(["subscriptions"]), json!(["plans"])];
            assert!(tags.contains(&operation["tags"]), "{operation}");
            assert!(operation["summary"].is_string(), "{operation}");
            ids.push(operation["operationId"].as_str().unwrap().to_owned());
            for response in operation["responses"].as_object().unwrap().values() {
                assert!(!response["description"].as_str().unwrap_or_default().is_empty(), "{operation}");
            }
        }
    }
    ids.sort();
    let expected = [
        "blockKey",
        "bulkDecideSubscriptions",
        "bulkRevokeKeys",
        "cancelKeyRotation",
        "cancelSubscription",
        "createKey",
        "createPlan",
        "createSubscription",
        "decideSubscription",
        "deletePlan",
        "finishKeyRotation",
        "getKey",
        "getKeyPattern",
        "getKeyPresets",
        "getMyPlan",
        "getPlan",
        "getSubscription",
        "listKeys",
        "listPlans",
        "listSubscriptions",
        "overrideSubscription",
        "reportLeakedKey",
        "requestSubscriptionReview",
        "resumeSubscription",
        "revokeKey",
        "rotateKey",
        "suspendSubscription",
        "unblockKey",
        "updateKey",
        "updatePlan",
    ];
    assert_eq!(ids, expected);
}

#[test]
fn the_internal_export_is_no_part_of_the_document() {
    assert!(!document().to_string().contains("/internal/"));
}

#[test]
fn every_referenced_schema_is_there() {
    let document = document();
    let text = document.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
}
