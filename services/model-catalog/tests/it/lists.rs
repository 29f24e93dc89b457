use std::{
    net::TcpListener,
    sync::{Arc, Mutex},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use maas_model_catalog::{ListUpstream, ModelCatalogSettings, NewModels, SourcePrice, SyncAction};
use maas_types::Nanos;
use serde_json::{Value, json};

use crate::world::{World, settings};

/// A server with a model list that the test changes.
#[derive(Clone)]
pub struct ListServer {
    url: String,
    answer: Arc<Mutex<(u16, Value)>>,
}

impl ListServer {
    pub fn start() -> Self {
        let answer = Arc::new(Mutex::new((200, json!({"data": []}))));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let shared = answer.clone();
        let server = HttpServer::new(move || {
            App::new().app_data(web::Data::new(shared.clone())).route("/v1/models", web::get().to(serve))
        });
        let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
        actix_web::rt::spawn(server);
        Self { url, answer }
    }

    pub fn lists(&self, ids: &[&str]) {
        let data: Vec<_> = ids.iter().map(|id| json!({"id": id, "object": "model", "owned_by": "lab"})).collect();
        self.answers(200, json!({"object": "list", "data": data}));
    }

    fn answers(&self, status: u16, body: Value) {
        *self.answer.lock().unwrap() = (status, body);
    }

    pub fn source(&self, name: &str) -> ListUpstream {
        ListUpstream { name: name.to_owned(), url: self.url.clone(), ..ListUpstream::default() }
    }
}

async fn serve(answer: web::Data<Arc<Mutex<(u16, Value)>>>, request: HttpRequest) -> HttpResponse {
    assert!(!request.headers().contains_key("authorization"));
    let (status, body) = answer.lock().unwrap().clone();
    HttpResponse::build(actix_web::http::StatusCode::from_u16(status).unwrap()).json(body)
}

fn with(upstreams: Vec<ListUpstream>) -> ModelCatalogSettings {
    ModelCatalogSettings { upstreams, ..settings() }
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect()
}

#[actix_web::test]
async fn a_listed_model_comes_vanishes_and_returns_as_it_was() {
    let server = ListServer::start();
    server.lists(&["meta/llama-3", "text-embed", "bad id"]);
    let price = Some(SourcePrice { input: Nanos(1_000), output: Nanos(2_000) });
    let settings = with(vec![ListUpstream { price, ..server.source("lab") }]);
    follow_the_list(World::sqlite(settings.clone()).await, &server).await;
    server.lists(&["meta/llama-3", "text-embed", "bad id"]);
    follow_the_list(World::postgres(settings).await, &server).await;
}

async fn follow_the_list(world: World, server: &ListServer) {
    let reports = world.catalog.sync_all().await;
    assert_eq!(reports[0].error, None);
    assert_eq!(world.statuses().await, pairs(&[("meta/llama-3", "ready"), ("text-embed", "ready")]));
    let state = world.state_where("meta/llama-3", |_| true).await;
    assert_eq!((state.owned_by.as_str(), state.prices[0].output), ("lab", 2_000));
    assert_eq!(state.upstreams[0].base_url, server.url);
    assert_eq!(state.upstreams[0].upstream_model, "meta/llama-3");
    assert_eq!(world.state_where("text-embed", |_| true).await.kind, "embedding");
    assert!(world.audit_of("model.create").await.actor_kind == "system");

    // Somebody restricts it; it vanishes, and comes back restricted.
    let id = format!("mdl_{}", state.id.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let path = format!("/api/v1/models/{id}");
    assert_eq!(world.patch(&path, json!({"restricted": true})).await.status, 200);
    assert_eq!(world.delete(&path).await.status, 409);
    server.lists(&["text-embed"]);
    world.catalog.sync_all().await;
    assert_eq!(world.statuses().await[0], ("meta/llama-3".to_owned(), "unavailable".to_owned()));
    assert!(!world.state_where("meta/llama-3", |state| state.version == 3).await.enabled);
    server.lists(&["text-embed", "meta/llama-3"]);
    let report = world.catalog.sync_all().await.remove(0);
    assert_eq!((report.outcome.counts.returned, report.outcome.counts.unchanged), (1, 1));
    assert_eq!(report.outcome.changes[0].action, SyncAction::Returned);
    let state = world.state_where("meta/llama-3", |state| state.version == 4).await;
    assert!(state.enabled && state.restricted);
    assert_eq!(state.prices.len(), 1);
}

#[actix_web::test]
async fn an_empty_list_or_a_refused_key_changes_nothing() {
    let server = ListServer::start();
    server.lists(&["a"]);
    let world = World::sqlite(with(vec![server.source("lab")])).await;
    world.catalog.sync_all().await;
    for (status, body, reason) in [
        (200, json!({"data": []}), "no models"),
        (401, json!({}), "credential"),
        (500, json!({}), "500"),
        (200, json!({"models": 1}), "model list"),
    ] {
        server.answers(status, body);
        let report = world.catalog.sync_all().await.remove(0);
        assert!(report.error.as_deref().unwrap().contains(reason), "{:?}", report.error);
        assert_eq!(world.statuses().await, pairs(&[("a", "ready")]));
    }
    let sources = world.get("admin", "/api/v1/sources").await.json();
    let source = &sources["data"][0];
    assert_eq!(source["status"], "degraded");
    assert!(source["last_success_at"].is_string() && source["last_result"].is_object());
}

#[actix_web::test]
async fn an_unusable_owner_is_left_out_and_spoils_nothing() {
    let server = ListServer::start();
    // PostgreSQL would refuse the NUL, and with it the whole run.
    let listed =
        json!([{"id": "a", "object": "model", "owned_by": "x\0y"}, {"id": "b", "object": "model", "owned_by": "meta"}]);
    server.answers(200, json!({"object": "list", "data": listed}));
    let world = World::sqlite(with(vec![server.source("vllm")])).await;
    world.catalog.sync_all().await;
    let models = world.get("admin", "/api/v1/models").await.json();
    let mut owners: Vec<_> = models["data"].as_array().unwrap().iter().map(|model| model["owner"].clone()).collect();
    owners.sort_by_key(ToString::to_string);
    assert_eq!(owners, [json!(""), json!("meta")]);
}

#[actix_web::test]
async fn the_same_name_from_two_sources_stays_two_models() {
    let (one, two) = (ListServer::start(), ListServer::start());
    one.lists(&["llama"]);
    two.lists(&["llama"]);
    let world = World::sqlite(with(vec![one.source("a"), two.source("b")])).await;
    world.catalog.sync_all().await;
    let names: Vec<_> = world.statuses().await.into_iter().map(|(name, _)| name).collect();
    assert!(names == ["b/llama", "llama"] || names == ["a/llama", "llama"], "{names:?}");
    let report = world.catalog.sync_all().await;
    assert!(report.iter().all(|report| report.outcome.counts.unchanged == 1));
}

#[actix_web::test]
async fn a_dry_run_says_everything_and_does_nothing() {
    let server = ListServer::start();
    server.lists(&["a"]);
    let mut source = server.source("lab");
    source.new_models = NewModels::Restricted;
    source.exclude = vec!["*-preview".to_owned()];
    let world = World::sqlite(with(vec![source])).await;
    world.catalog.sync_all().await;
    server.lists(&["b", "c-preview"]);
    let sources = world.get("admin", "/api/v1/sources").await.json();
    let path = format!("/api/v1/sources/{}/sync", sources["data"][0]["id"].as_str().unwrap());
    let report = world.post(&path, json!({"dry_run": true})).await.json();
    let changes = json!([{"model": "b", "action": "created"}, {"model": "a", "action": "vanished"}]);
    assert_eq!((&report["changes"], &report["status"]), (&changes, &json!("ok")));
    assert_eq!(world.statuses().await, pairs(&[("a", "ready")]));
    assert_eq!(world.post(&path, json!({})).await.json()["changes"], changes);
    assert_eq!(world.statuses().await, pairs(&[("a", "unavailable"), ("b", "ready")]));
    assert!(world.state_where("b", |_| true).await.restricted);
    assert_eq!(world.post("/api/v1/sources/src_0/sync", json!({})).await.status, 404);
}

#[actix_web::test]
async fn a_source_that_is_not_configured_any_more_takes_its_models_along() {
    let server = ListServer::start();
    server.lists(&["a"]);
    let world = World::sqlite(with(vec![server.source("lab")])).await;
    world.catalog.sync_all().await;
    let world = world.restart(settings()).await;
    assert_eq!(world.statuses().await, pairs(&[("a", "unavailable")]));
    let world = world.restart(with(vec![server.source("lab")])).await;
    world.catalog.sync_all().await;
    assert_eq!(world.statuses().await, pairs(&[("a", "ready")]));
}

#[actix_web::test]
async fn a_missing_credential_or_a_blocked_address_is_told_and_nothing_is_called() {
    let server = ListServer::start();
    server.lists(&["a"]);
    let keyed = ListUpstream { credential_variable: Some("NOT_SET_HERE_API_KEY".to_owned()), ..server.source("keyed") };
    let world = World::sqlite(with(vec![keyed])).await;
    let error = world.catalog.sync_all().await.remove(0).error.unwrap();
    assert!(error.contains("NOT_SET_HERE_API_KEY"), "{error}");
    let strict = ModelCatalogSettings { allow_loopback_upstreams: false, ..with(vec![server.source("lab")]) };
    let world = World::sqlite(strict).await;
    let error = world.catalog.sync_all().await.remove(0).error.unwrap();
    assert!(error.contains("blocked"), "{error}");
    assert!(world.statuses().await.is_empty());
}
