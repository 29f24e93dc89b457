//! A running service with its database, its bus and its neighbours' state.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{
    App,
    http::{Method, StatusCode, header::HeaderMap},
    middleware::from_fn,
    test::{self, TestRequest},
    web,
};
use async_trait::async_trait;
use bytes::Bytes;
use maas_bus::{Bus as _, ConsumerSpec, StateChange};
use maas_events::{
    Bucket, Delivery,
    audit::AuditRecord,
    state::{KeyState, ModelState, TeamMembership, UserState, UserStatus},
    topic::{AUDIT_STREAM, AUDIT_SUBJECT},
};
use maas_key_management::{KeyManagement, KeyManagementSettings, SCHEMA, generate_pepper, migrate};
use maas_runtime::{config::Secret, process::Process};
use maas_store::{ConnectOptions, Database, DatabaseUrl};
use maas_testkit::{Postgres, TestDatabase, eventually};
use maas_types::{FixedClock, ModelId, Role, TeamId, TeamRole, Timestamp, TokenId, UserId};
use maas_web::{
    Caller, CallerResolver, Credential, IdentityUnavailable, SharedCallerResolver, Via, WebSettings,
    internal::InternalTokens,
    middleware::control_plane,
    refusals::{RefusalBook, RefusalBooks},
};
use prost::Message as _;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::bus::SwitchedBus;

pub const NOW: Timestamp = Timestamp::from_unix_ms(1_795_000_000_000);
pub const DEADLINE: Duration = Duration::from_secs(20);
pub const INTERNAL_TOKEN: &str = "0123456789abcdef0123456789abcdef";

pub struct World {
    pub service: KeyManagement,
    pub database: Database,
    pub bus: SwitchedBus,
    pub process: Process,
    pub clock: Arc<FixedClock>,
    pub audit: Arc<Mutex<Vec<AuditRecord>>>,
    pub refusals: RefusalBooks,
    pub place: Place,
}

/// Where the data is; removed with the world.
pub enum Place {
    Sqlite(tempfile::TempDir),
    Postgres(TestDatabase),
}

/// What the service answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Bytes,
    pub body: Value,
}

#[derive(Debug, Clone, Copy)]
pub struct Person {
    pub id: UserId,
    pub role: Role,
    /// The one team that they belong to.
    pub team: Option<(TeamId, TeamRole)>,
}

impl World {
    pub async fn on_sqlite() -> Self {
        Self::start(Place::Sqlite(tempfile::tempdir().unwrap())).await
    }

    pub async fn on_postgres() -> Self {
        Self::start(Place::Postgres(Postgres::shared().await.unwrap().database().await.unwrap())).await
    }

    pub async fn start(place: Place) -> Self {
        let database = place.connect().await;
        migrate(&database).await.unwrap();
        let clock = Arc::new(FixedClock::at(NOW));
        let bus = SwitchedBus::default();
        publish_model(&bus, "meta/llama", &["llama"], 1).await;
        publish_model(&bus, "bge-m3", &[], 1).await;
        let audit = collect_audit_records(&bus).await;
        let (service, process) = start_service(&database, &bus, &clock).await;
        let refusals = refusals(&service, &process);
        Self { service, database, bus, process, clock, audit, refusals, place }
    }

    pub fn person(&self, role: Role) -> Person {
        Person { id: UserId::from_uuid(uuid::Uuid::now_v7()), role, team: None }
    }

    pub fn user(&self) -> Person {
        self.person(Role::User)
    }

    pub fn admin(&self) -> Person {
        self.person(Role::Admin)
    }

    /// Makes a person known to the service, as auth would.
    pub async fn publish_user(&self, person: Person, version: u64, status: UserStatus) {
        self.publish(person, UserState { version, status: status.into(), ..UserState::default() }).await;
    }

    /// An active user of a team, known to the service.
    pub async fn member(&self, team: TeamId, role: TeamRole) -> Person {
        let member = Person { team: Some((team, role)), ..self.user() };
        self.publish_user(member, 1, UserStatus::Active).await;
        self.wait_until_known(member).await;
        member
    }

    /// An active service account of a team, known to the service.
    pub async fn service_account(&self, team: TeamId) -> Person {
        let account = Person { team: Some((team, TeamRole::Member)), ..self.user() };
        let state = UserState { version: 1, status: UserStatus::Active.into(), ..UserState::default() };
        self.publish(account, UserState { kind: "service_account".to_owned(), ..state }).await;
        self.wait_until_known(account).await;
        account
    }

    /// The news have arrived once an admin can make a key for them.
    async fn wait_until_known(&self, person: Person) {
        let probe = json!({"name": "probe", "owner_id": person.id, "ephemeral": true});
        let key = eventually(DEADLINE, || async {
            let answer = self.post(self.admin(), "/api/v1/keys", probe.clone()).await;
            (answer.status == 201).then(|| answer.body["key"]["id"].as_str().unwrap().to_owned())
        });
        let key = key.await;
        assert_eq!(self.act(self.admin(), &format!("/api/v1/keys/{key}/revoke")).await.status, 200);
    }

    async fn publish(&self, person: Person, state: UserState) {
        let version = state.version;
        let membership = |(team, role): (TeamId, TeamRole)| TeamMembership {
            team_id: Bytes::copy_from_slice(team.uuid().as_bytes()),
            role: role.as_str().to_owned(),
        };
        let state = UserState {
            id: Bytes::copy_from_slice(person.id.uuid().as_bytes()),
            teams: person.team.into_iter().map(membership).collect(),
            ..state
        };
        let key = person.id.uuid().simple().to_string();
        let value = state.encode_to_vec().into();
        self.bus.deliver(Delivery::State { bucket: Bucket::Users, key, version, value }).await.unwrap();
    }

    pub async fn get(&self, person: Person, path: &str) -> Answer {
        self.call(person.signs(TestRequest::get().uri(path))).await
    }

    pub async fn post(&self, person: Person, path: &str, body: Value) -> Answer {
        self.call(person.signs(TestRequest::post().uri(path)).set_json(body)).await
    }

    pub async fn patch(&self, person: Person, path: &str, body: Value) -> Answer {
        self.call(person.signs(TestRequest::patch().uri(path)).set_json(body)).await
    }

    /// A POST without any body.
    pub async fn act(&self, person: Person, path: &str) -> Answer {
        self.call(person.signs(TestRequest::post().uri(path))).await
    }

    /// Creates a key and answers its id and secret.
    pub async fn create(&self, person: Person, body: Value) -> (String, String) {
        let answer = self.post(person, "/api/v1/keys", body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&answer.body["key"]["id"]), text(&answer.body["secret"]))
    }

    /// Calls the real app and holds the answer to the OpenAPI document.
    pub async fn call(&self, request: TestRequest) -> Answer {
        let service = self.service.clone();
        let resolver: SharedCallerResolver = Arc::new(Names);
        let settings = WebSettings {
            public_origin: "http://maas.test".to_owned(),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
        };
        let app = App::new()
            .wrap(from_fn(control_plane))
            .app_data(web::Data::new(resolver))
            .app_data(web::Data::new(settings))
            .app_data(web::Data::new(self.refusals.clone()))
            .app_data(web::Data::new(InternalTokens(vec![INTERNAL_TOKEN.into()])))
            .configure(|services| service.configure_internal(services))
            .configure(|services| {
                service.configure(&mut utoipa_actix_web::service_config::ServiceConfig::new(services));
            });
        let app = test::init_service(app).await;
        let request = request.to_request();
        let (method, path) = (request.method().clone(), request.path().to_owned());
        let response = test::call_service(&app, request).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = test::read_body(response).await;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        check_documented(&method, &path, status);
        Answer { status, headers, bytes, body }
    }

    /// The last value of a key on the bus, once it has this version.
    pub async fn published(&self, key_id: &str, version: u64) -> KeyState {
        published(&self.bus, key_id, version).await
    }

    /// Audit records of a key with this action, once there is one.
    pub async fn audited(&self, key_id: &str, action: &str) -> AuditRecord {
        eventually(DEADLINE, || async {
            let records = self.audit.lock().unwrap();
            records.iter().find(|record| record.resource_id == key_id && record.action == action).cloned()
        })
        .await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.process.lifecycle.stop();
    }
}

impl Place {
    pub async fn connect(&self) -> Database {
        let url = match self {
            Self::Sqlite(folder) => DatabaseUrl::Sqlite(folder.path().join("key_management.db")),
            Self::Postgres(database) => DatabaseUrl::parse(database.url()).unwrap(),
        };
        Database::connect(&ConnectOptions { url, schema: SCHEMA, max_connections: 4 }).await.unwrap()
    }
}

impl Person {
    pub fn signs(self, request: TestRequest) -> TestRequest {
        let team = self.team.map(|(team, role)| format!(":{team}:{}", role.as_str())).unwrap_or_default();
        request.insert_header(("authorization", format!("Bearer user:{}:{}{team}", self.id, self.role.as_str())))
    }
}

impl Answer {
    pub fn etag(&self) -> String {
        self.headers.get("etag").unwrap().to_str().unwrap().to_owned()
    }

    /// Pointer and code of the faults.
    pub fn faults(&self) -> Vec<(String, String)> {
        let faults = self.body["errors"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        faults.iter().map(|fault| (text(&fault["pointer"]), text(&fault["code"]))).collect()
    }
}

pub async fn start_service(
    database: &Database,
    bus: &SwitchedBus,
    clock: &Arc<FixedClock>,
) -> (KeyManagement, Process) {
    let process = Process { clock: clock.clone(), ..Process::new().unwrap() };
    let settings =
        KeyManagementSettings { pepper: Secret::new(generate_pepper().unwrap()), ..KeyManagementSettings::default() };
    let bus = Arc::new(bus.clone());
    let service = KeyManagement::start(settings, database.clone(), bus, &process).await.unwrap();
    eventually(DEADLINE, || async { process.readiness.is_ready().then_some(()) }).await;
    (service, process)
}

pub async fn publish_model(bus: &SwitchedBus, name: &str, aliases: &[&str], version: u64) {
    let id = ModelId::from_uuid(uuid::Uuid::now_v7());
    let state = ModelState {
        id: Bytes::copy_from_slice(id.uuid().as_bytes()),
        version,
        name: name.to_owned(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        enabled: true,
        ..ModelState::default()
    };
    let key = id.uuid().simple().to_string();
    let value = state.encode_to_vec().into();
    bus.deliver(Delivery::State { bucket: Bucket::Models, key, version, value }).await.unwrap();
}

/// The last value of a key on the bus, once it has this version.
pub async fn published(bus: &SwitchedBus, key_id: &str, version: u64) -> KeyState {
    let name = key_id.strip_prefix("key_").unwrap();
    let mut watch = bus.watch_state(Bucket::Keys);
    let found = async {
        loop {
            match watch.next().await.unwrap() {
                StateChange::Value { key, version: held, value } if key == name && held >= version => {
                    return KeyState::decode(value).unwrap();
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(DEADLINE, found).await.expect("the state was not published")
}

async fn collect_audit_records(bus: &SwitchedBus) -> Arc<Mutex<Vec<AuditRecord>>> {
    let spec = ConsumerSpec {
        stream: AUDIT_STREAM,
        name: "test",
        subject: AUDIT_SUBJECT.to_owned(),
        ack_wait: DEADLINE,
        max_in_flight: 10,
    };
    let mut consumer = bus.consume(spec).await.unwrap();
    let records = Arc::new(Mutex::new(Vec::new()));
    let collected = records.clone();
    tokio::spawn(async move {
        while let Some(message) = consumer.next().await {
            collected.lock().unwrap().push(AuditRecord::decode(message.payload.clone()).unwrap());
            message.ack().await.unwrap();
        }
    });
    records
}

fn check_documented(method: &Method, path: &str, status: StatusCode) {
    let document = serde_json::to_value(maas_key_management::openapi()).unwrap();
    let is_template = |template: &str| {
        let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
        template.len() == path.len()
            && template.iter().zip(&path).all(|(part, given)| part.starts_with('{') || part == given)
    };
    let paths = document["paths"].as_object().unwrap();
    let Some((template, item)) = paths.iter().find(|(template, _)| is_template(template)) else { return };
    let operation = &item[method.as_str().to_lowercase()];
    let documented = &operation["responses"][status.as_str()];
    assert!(documented.is_object(), "{method} {template} answered {status}, which the document does not list");
}

/// Credentials are names: `user:<id>:<role>`, and `:<team>:<role in it>` of those who belong to one.
struct Names;

#[async_trait]
impl CallerResolver for Names {
    async fn resolve(&self, credential: &Credential) -> Result<Option<Caller>, IdentityUnavailable> {
        let Credential::Token(token) = credential else { return Ok(None) };
        let mut parts = token.expose_secret().split(':').skip(1);
        let (Some(id), Some(role)) = (parts.next(), parts.next()) else { return Ok(None) };
        let (Ok(user_id), Some(role)) = (id.parse(), Role::parse(role)) else { return Ok(None) };
        let team = parts.next().zip(parts.next());
        let membership = |(team, role): (&str, &str)| maas_web::TeamMembership {
            team_id: team.parse().unwrap(),
            role: TeamRole::parse(role).unwrap(),
        };
        Ok(Some(Caller {
            user_id,
            user_name: "somebody".to_owned(),
            role,
            via: Via::Token(TokenId::from_uuid(uuid::Uuid::now_v7())),
            must_change_password: false,
            teams: team.map(membership).into_iter().collect(),
        }))
    }
}

fn refusals(service: &KeyManagement, process: &Process) -> RefusalBooks {
    let outbox = service.outbox();
    RefusalBooks::of(RefusalBook::start("key-management", process, move |deliveries, now| {
        let outbox = outbox.clone();
        async move { outbox.tell(deliveries, now).await }
    }))
}
