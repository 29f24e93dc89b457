use maas_events::state::credential::Source;
use maas_model_catalog::ModelCatalogSettings;
use maas_testkit::eventually;
use serde_json::json;
use tempfile::TempDir;

use crate::world::{PATIENCE, World, settings};

const GOOD: &str = r#"
[[models]]
name = "meta/llama"
display_name = "Llama"
restricted = true
price = { input = "0.15", output = "0.60" }

[[models.upstreams]]
base_url = "http://127.0.0.1:9/v1"
credential = { environment_variable = "LLAMA_API_KEY" }

[[models]]
name = "other"
"#;

fn with_file(folder: &TempDir, content: &str) -> ModelCatalogSettings {
    let path = folder.path().join("models.toml");
    std::fs::write(&path, content).unwrap();
    ModelCatalogSettings { models_file: Some(path), ..settings() }
}

#[actix_web::test]
async fn the_file_is_followed_and_owns_the_fields_it_names() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    follow_the_file(World::sqlite(with_file(&one, GOOD)).await, &one).await;
    follow_the_file(World::postgres(with_file(&two, GOOD)).await, &two).await;
}

async fn follow_the_file(world: World, folder: &TempDir) {
    world.catalog.sync_all().await;
    let state = world.state_where("meta/llama", |_| true).await;
    assert!(state.restricted);
    assert_eq!(state.prices[0].input, 150_000_000);
    assert_eq!(state.upstreams[0].upstream_model, "meta/llama");
    let credential = state.upstreams[0].credential.clone().and_then(|credential| credential.source);
    assert_eq!(credential, Some(Source::EnvironmentVariable("LLAMA_API_KEY".to_owned())));

    // A person changes a field that the file names and one that it does not.
    let id = format!("mdl_{}", state.id.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let path = format!("/api/v1/models/{id}");
    world.patch(&path, json!({"restricted": false, "family": "llama"})).await;
    let report = world.catalog.sync_all().await.remove(0);
    assert_eq!((report.outcome.counts.updated, report.outcome.counts.unchanged), (1, 1));
    let model = world.get("admin", &path).await.json();
    assert_eq!((&model["restricted"], &model["family"]), (&json!(true), &json!("llama")));

    // Another price in the file is another version; a model that is left out becomes unavailable.
    let dearer = GOOD.replace("0.15", "0.30").replace("\n[[models]]\nname = \"other\"\n", "");
    with_file(folder, &dearer);
    let state = world.state_where("meta/llama", |state| state.prices.len() == 2).await;
    assert_eq!(state.prices[1].input, 300_000_000);
    eventually(PATIENCE, || async {
        let other = world.statuses().await.into_iter().find(|(name, _)| name == "other")?;
        (other.1 == "unavailable").then_some(())
    })
    .await;
}

#[actix_web::test]
async fn the_file_says_how_models_are_routed_and_upstreams_spoken_to() {
    let folder = TempDir::new().unwrap();
    let content = r#"
[[models]]
name = "claude"
routing = "least_loaded"
fallbacks = ["other"]
[[models.upstreams]]
base_url = "https://api.anthropic.example"
dialect = "anthropic"
headers = { Anthropic-Beta = "one" }
instance = "team-1/claude"
"#;
    let world = World::sqlite(with_file(&folder, content)).await;
    assert_eq!(world.catalog.sync_all().await[0].error, None);
    let state = world.state_where("claude", |_| true).await;
    assert_eq!((state.routing.as_str(), state.fallbacks), ("least_loaded", vec!["other".to_owned()]));
    let upstream = &state.upstreams[0];
    assert_eq!((upstream.dialect.as_str(), upstream.instance.as_str()), ("anthropic", "team-1/claude"));
    assert_eq!((upstream.headers[0].name.as_str(), upstream.headers[0].value.as_str()), ("anthropic-beta", "one"));

    let faulty = content.replace("[\"other\"]", "[\"claude\"]").replace("Anthropic-Beta", "X-Api-Key");
    with_file(&folder, &faulty);
    let error = world.catalog.sync_all().await[0].error.clone().unwrap();
    assert!(error.contains("/models/0/fallbacks/0") && error.contains("/models/0/upstreams/0/headers/"), "{error}");
    assert_eq!(world.state_where("claude", |_| true).await.version, 1);
}

#[actix_web::test]
async fn a_file_with_a_fault_changes_nothing_and_all_faults_are_told() {
    let folder = TempDir::new().unwrap();
    let world = World::sqlite(with_file(&folder, GOOD)).await;
    world.catalog.sync_all().await;
    let before = world.statuses().await;
    let faulty = GOOD.replace("\"other\"", "\"a b\"").replace("restricted = true", "restricted = \"perhaps\"");
    with_file(&folder, &faulty);
    let error = eventually(PATIENCE, || async {
        let sources = world.get("admin", "/api/v1/sources").await.json();
        sources["data"][0]["last_error"].as_str().map(str::to_owned)
    })
    .await;
    assert!(error.contains("/models/0/restricted") && error.contains("/models/1/name"), "{error}");
    assert_eq!(world.statuses().await, before);

    std::fs::remove_file(folder.path().join("models.toml")).unwrap();
    assert!(world.catalog.sync_all().await[0].error.is_some());
    assert_eq!(world.statuses().await, before);
    with_file(&folder, GOOD);
    assert_eq!(world.catalog.sync_all().await[0].error, None);
}
