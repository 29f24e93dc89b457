use actix_web::http::Method;
use maas_events::state::ModelState;
use maas_testkit::eventually;
use prost::Message as _;
use serde_json::json;

use crate::world::{INTERNAL_TOKEN, PATIENCE, World, settings};

const PATH: &str = "/internal/v1/state/models";

#[actix_web::test]
async fn a_proxy_loads_models_and_tombstones_with_the_internal_token_only() {
    for world in World::both(&settings()).await {
        world.post("/api/v1/models", json!({"name": "kept"})).await;
        let gone = world.post("/api/v1/models", json!({"name": "gone"})).await.headers["location"].clone();
        world.delete(&gone).await;
        assert_eq!(world.get("admin", PATH).await.status, 401);
        let bearer = format!("Bearer {INTERNAL_TOKEN}");
        let reply = world.call_with("", Method::GET, PATH, None, &[("authorization", &bearer)]).await;
        let bytes: Vec<u8> = match reply.text.is_ascii() {
            true => reply.text.into_bytes(),
            false => reply.text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect(),
        };
        let mut rest = bytes.as_slice();
        let mut found = Vec::new();
        while !rest.is_empty() {
            let state = ModelState::decode_length_delimited(&mut rest).unwrap();
            found.push((state.name, state.deleted));
        }
        assert_eq!(found, [("kept".to_owned(), false), ("gone".to_owned(), true)]);
    }
}

#[actix_web::test]
async fn an_empty_bus_is_filled_again_after_a_restart() {
    let world = World::sqlite(settings()).await;
    world.post("/api/v1/models", json!({"name": "kept"})).await;
    let gone = world.post("/api/v1/models", json!({"name": "gone"})).await.headers["location"].clone();
    world.delete(&gone).await;
    world.state_where("gone", |state| state.deleted).await;
    let world = world.restart(settings()).await;
    world.state_where("kept", |state| state.version == 1).await;
    world.state_where("gone", |state| state.deleted).await;
}

#[actix_web::test]
async fn the_service_becomes_ready_and_its_metrics_are_declared() {
    let world = World::sqlite(settings()).await;
    eventually(PATIENCE, || async { world.process.readiness.is_ready().then_some(()) }).await;
    world.post("/api/v1/models", json!({"name": "bare", "family": "llama"})).await;
    let text = eventually(PATIENCE, || async {
        let text = world.process.metrics.render().unwrap();
        text.contains("maas_catalog_models{state=\"degraded\"} 1").then_some(text)
    })
    .await;
    assert!(text.contains("maas_catalog_model_ready{model=\"bare\"} 0"), "{text}");
    assert!(text.contains("maas_catalog_model_info{model=\"bare\",provider=\"\",family=\"llama\"} 1"), "{text}");
    assert_eq!(maas_runtime::metrics::undeclared(&text), Vec::<String>::new());
}
