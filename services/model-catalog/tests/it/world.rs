//! A service of its own for each test: database, bus, callers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{App, http::Method, middleware::from_fn, web};
use async_trait::async_trait;
use maas_bus::{ConsumerSpec, InProcessBus, SharedBus, StateChange};
use maas_events::{
    Bucket,
    audit::AuditRecord,
    state::ModelState,
    topic::{AUDIT_STREAM, AUDIT_SUBJECT},
};
use maas_model_catalog::{ModelCatalog, ModelCatalogSettings, SCHEMA};
use maas_runtime::{config::Secret, process::Process};
use maas_store::{ConnectOptions, Database, DatabaseUrl};
use maas_testkit::{Postgres, TestDatabase, eventually};
use maas_types::{Clock, Role, Timestamp, TokenId, UserId};
use maas_web::{
    Caller, CallerResolver, Credential, IdentityUnavailable, SharedCallerResolver, Via, WebSettings,
    internal::InternalTokens,
    middleware::control_plane,
    refusals::{RefusalBook, RefusalBooks},
};
use prost::Message as _;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tempfile::TempDir;

pub const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
pub const INTERNAL_TOKEN: &str = "internal-token-of-at-least-32-bytes";
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct World {
    pub catalog: ModelCatalog,
    pub process: Process,
    pub bus: SharedBus,
    pub folder: TempDir,
    pub audit: Arc<Mutex<Vec<AuditRecord>>>,
    pub states: Arc<Mutex<HashMap<String, ModelState>>>,
    refusals: RefusalBooks,
    _postgres: Option<TestDatabase>,
}

pub struct Reply {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text))
    }

    pub fn pointers(&self) -> Vec<String> {
        let json = self.json();
        let errors = json["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|fault| fault["pointer"].as_str().unwrap().to_owned()).collect()
    }
}

pub fn settings() -> ModelCatalogSettings {
    ModelCatalogSettings {
        public_url: "https://maas.example.org".to_owned(),
        encryption_key: Secret::new(KEY),
        allow_loopback_upstreams: true,
        ..ModelCatalogSettings::default()
    }
}

impl World {
    /// One on each database.
    pub async fn both(settings: &ModelCatalogSettings) -> Vec<Self> {
        vec![Self::sqlite(settings.clone()).await, Self::postgres(settings.clone()).await]
    }

    pub async fn sqlite(settings: ModelCatalogSettings) -> Self {
        let folder = TempDir::new().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().join("catalog.db"));
        Self::start(settings, url, folder, None, Process::new().unwrap()).await
    }

    /// One whose time the test decides.
    pub async fn at(clock: Arc<dyn Clock>, settings: ModelCatalogSettings) -> Self {
        let folder = TempDir::new().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().join("catalog.db"));
        Self::start(settings, url, folder, None, Process { clock, ..Process::new().unwrap() }).await
    }

    pub async fn postgres(settings: ModelCatalogSettings) -> Self {
        let database = Postgres::shared().await.unwrap().database().await.unwrap();
        let url = DatabaseUrl::Postgres(database.url().to_owned());
        Self::start(settings, url, TempDir::new().unwrap(), Some(database), Process::new().unwrap()).await
    }

    /// The same SQLite file and another process: an empty bus, perhaps other settings.
    pub async fn restart(mut self, settings: ModelCatalogSettings) -> Self {
        self.process.lifecycle.stop();
        self.process.lifecycle.stopped(PATIENCE).await.unwrap();
        let folder = std::mem::replace(&mut self.folder, TempDir::new().unwrap());
        let url = DatabaseUrl::Sqlite(folder.path().join("catalog.db"));
        Self::start(settings, url, folder, None, Process::new().unwrap()).await
    }

    async fn start(
        settings: ModelCatalogSettings,
        url: DatabaseUrl,
        folder: TempDir,
        postgres: Option<TestDatabase>,
        process: Process,
    ) -> Self {
        let options = ConnectOptions { url, schema: SCHEMA, max_connections: 5 };
        let database = Database::connect(&options).await.unwrap();
        maas_model_catalog::migrate(&database).await.unwrap();
        maas_model_catalog::check_schema(&database).await.unwrap();
        let bus: SharedBus = Arc::new(InProcessBus::new());
        let audit = collect_audit(&bus).await;
        let states = collect_states(&bus);
        let catalog = ModelCatalog::start(settings, database, bus.clone(), &process).await.unwrap();
        eventually(PATIENCE, || std::future::ready(process.readiness.is_ready().then_some(()))).await;
        let refusals = refusals(&catalog, &process);
        Self { catalog, process, bus, folder, audit, states, refusals, _postgres: postgres }
    }

    pub async fn call(&self, role: &str, method: Method, path: &str, body: Option<Value>) -> Reply {
        self.call_with(role, method, path, body, &[]).await
    }

    pub async fn call_with(
        &self,
        role: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Reply {
        let resolver: SharedCallerResolver = Arc::new(FakeResolver);
        let web_settings = WebSettings {
            public_origin: "https://maas.example.org".to_owned(),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
        };
        let catalog = self.catalog.clone();
        let app = App::new()
            .wrap(from_fn(control_plane))
            .app_data(web::Data::new(resolver))
            .app_data(web::Data::new(web_settings))
            .app_data(web::Data::new(self.refusals.clone()))
            .app_data(web::Data::new(InternalTokens(vec![INTERNAL_TOKEN.into()])))
            .configure(|services| {
                catalog.configure(&mut utoipa_actix_web::service_config::ServiceConfig::new(services));
            })
            .configure(|services| catalog.configure_internal(services));
        let app = actix_web::test::init_service(app).await;
        let mut request = actix_web::test::TestRequest::with_uri(path).method(method);
        if !role.is_empty() {
            let user = UserId::new_at(Timestamp::from_unix_ms(1));
            request = request.insert_header(("authorization", format!("Bearer user:{user}:{role}")));
        }
        for (name, value) in headers {
            request = request.insert_header((*name, *value));
        }
        if let Some(body) = body {
            request = request.set_json(body);
        }
        let response = actix_web::test::call_service(&app, request.to_request()).await;
        let status = response.status().as_u16();
        let header = |(name, value): (&actix_web::http::header::HeaderName, &actix_web::http::header::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let headers = response.headers().iter().map(header).collect();
        let bytes = actix_web::test::read_body(response).await;
        // Latin-1, so that protobuf answers survive too.
        let text =
            String::from_utf8(bytes.to_vec()).unwrap_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect());
        Reply { status, headers, text }
    }

    pub async fn get(&self, role: &str, path: &str) -> Reply {
        self.call(role, Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.call("admin", Method::POST, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.call("admin", Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.call("admin", Method::DELETE, path, None).await
    }

    /// The names in the catalogue with their status, by name.
    pub async fn statuses(&self) -> Vec<(String, String)> {
        let json = self.get("admin", "/api/v1/models?limit=1000").await.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let data = json["data"].as_array().unwrap();
        let mut found: Vec<_> = data.iter().map(|model| (text(&model["name"]), text(&model["status"]))).collect();
        found.sort();
        found
    }

    /// What the proxies were told about the model, once it looks like `wanted`.
    pub async fn state_where(&self, name: &str, wanted: impl Fn(&ModelState) -> bool) -> ModelState {
        eventually(PATIENCE, || async {
            let states = self.states.lock().unwrap();
            states.values().find(|state| state.name == name && wanted(state)).cloned()
        })
        .await
    }

    pub async fn audit_of(&self, action: &str) -> AuditRecord {
        eventually(PATIENCE, || async {
            self.audit.lock().unwrap().iter().find(|record| record.action == action).cloned()
        })
        .await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.process.lifecycle.stop();
    }
}

async fn collect_audit(bus: &SharedBus) -> Arc<Mutex<Vec<AuditRecord>>> {
    let spec = ConsumerSpec {
        stream: AUDIT_STREAM,
        name: "test",
        subject: AUDIT_SUBJECT.to_owned(),
        ack_wait: Duration::from_secs(5),
        max_in_flight: 10,
    };
    let mut consumer = bus.consume(spec).await.unwrap();
    let collected = Arc::new(Mutex::new(Vec::new()));
    let records = collected.clone();
    tokio::spawn(async move {
        while let Some(message) = consumer.next().await {
            records.lock().unwrap().push(AuditRecord::decode(message.payload.clone()).unwrap());
            message.ack().await.unwrap();
        }
    });
    collected
}

fn collect_states(bus: &SharedBus) -> Arc<Mutex<HashMap<String, ModelState>>> {
    let mut watch = bus.watch_state(Bucket::Models);
    let collected = Arc::new(Mutex::new(HashMap::new()));
    let states = collected.clone();
    tokio::spawn(async move {
        while let Some(change) = watch.next().await {
            if let StateChange::Value { key, version, value } = change {
                let state = ModelState::decode(value).unwrap();
                assert_eq!(state.version, version);
                states.lock().unwrap().insert(key, state);
            }
        }
    });
    collected
}

/// Believes `user:<id>:<role>`.
struct FakeResolver;

#[async_trait]
impl CallerResolver for FakeResolver {
    async fn resolve(&self, credential: &Credential) -> Result<Option<Caller>, IdentityUnavailable> {
        let Credential::Token(token) = credential else { return Ok(None) };
        let mut parts = token.expose_secret().split(':').skip(1);
        let (user, role) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let Some(role) = Role::parse(role) else { return Ok(None) };
        Ok(Some(Caller {
            user_id: user.parse().unwrap(),
            user_name: "ada".to_owned(),
            role,
            via: Via::Token(TokenId::new_at(Timestamp::from_unix_ms(1))),
            must_change_password: false,
            teams: Vec::new(),
        }))
    }
}

fn refusals(service: &ModelCatalog, process: &Process) -> RefusalBooks {
    let outbox = service.outbox();
    RefusalBooks::of(RefusalBook::start("model-catalog", process, move |deliveries, now| {
        let outbox = outbox.clone();
        async move { outbox.tell(deliveries, now).await }
    }))
}
