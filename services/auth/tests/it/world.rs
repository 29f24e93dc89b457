//! One running service with its own database, bus and clock.

use std::{sync::Arc, time::Duration};

use actix_web::{
    App,
    cookie::Cookie,
    http::{Method, StatusCode, header::HeaderMap},
    middleware::from_fn,
    test::{TestRequest, call_service, init_service, read_body},
    web,
};
use bytes::Bytes;
use maas_auth::{Auth, AuthSettings, FirstAdmin, generate_signing_key};
use maas_bus::{InProcessBus, SharedBus};
use maas_runtime::{config::Secret, process::Process};
use maas_store::{ConnectOptions, Database, DatabaseUrl};
use maas_testkit::{Postgres, TestDatabase};
use maas_types::{FixedClock, Timestamp};
use maas_web::{
    SharedCallerResolver, WebSettings,
    internal::InternalTokens,
    middleware::control_plane,
    refusals::{RefusalBook, RefusalBooks},
};
use sea_orm::{ConnectionTrait as _, DatabaseBackend};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use utoipa_actix_web::service_config::ServiceConfig;

pub const PASSWORD: &str = "correct horse battery staple";
pub const INTERNAL_TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Long enough for a loaded machine; nothing waits for it in vain.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Runs each test on both databases.
macro_rules! on_both_databases {
    ($($test:ident,)*) => {
        mod sqlite {
            $(#[actix_web::test] async fn $test() { super::$test($crate::world::World::on_sqlite().await).await; })*
        }
        mod postgres {
            $(#[actix_web::test] async fn $test() { super::$test($crate::world::World::on_postgres().await).await; })*
        }
    };
}
pub(crate) use on_both_databases;

/// What keeps the database there.
pub enum Keeper {
    Folder {
        _folder: tempfile::TempDir,
    },
    Postgres {
        _database: TestDatabase,
    },
    /// A cluster of its own, which the test may stop.
    Cluster {
        cluster: Postgres,
        _database: TestDatabase,
    },
}

pub async fn sqlite() -> (Database, Keeper) {
    let folder = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::Sqlite(folder.path().join("auth.db"));
    (connect(url).await, Keeper::Folder { _folder: folder })
}

pub async fn postgres() -> (Database, Keeper) {
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let url = DatabaseUrl::Postgres(database.url().to_owned());
    (connect(url).await, Keeper::Postgres { _database: database })
}

async fn own_cluster() -> (Database, Keeper) {
    let cluster = Postgres::start().await.unwrap();
    let database = cluster.database().await.unwrap();
    let url = DatabaseUrl::Postgres(database.url().to_owned());
    (connect(url).await, Keeper::Cluster { cluster, _database: database })
}

async fn connect(url: DatabaseUrl) -> Database {
    Database::connect(&ConnectOptions { url, schema: maas_auth::SCHEMA, max_connections: 4 }).await.unwrap()
}

pub struct World {
    pub auth: Auth,
    pub bus: SharedBus,
    pub clock: Arc<FixedClock>,
    pub process: Process,
    pub database: Database,
    pub admin: FirstAdmin,
    pub public_origin: String,
    /// What it was started with.
    pub settings: AuthSettings,
    keeper: Arc<Keeper>,
    refusals: RefusalBooks,
}

/// What a call is made with.
#[derive(Debug, Clone)]
pub enum As {
    Nobody,
    Session { cookie: String, csrf: String },
    Token(String),
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub fn pointer(&self) -> &str {
        self.body["errors"][0]["pointer"].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The session of a sign-in answer.
    pub fn session(&self) -> As {
        let cookie = Cookie::parse(self.header("set-cookie").to_owned()).unwrap();
        As::Session { cookie: cookie.value().to_owned(), csrf: self.body["csrf_token"].as_str().unwrap().to_owned() }
    }
}

impl World {
    pub async fn on_sqlite() -> Self {
        Self::start(sqlite().await).await
    }

    pub async fn on_postgres() -> Self {
        Self::start(postgres().await).await
    }

    pub async fn on_own_cluster() -> Self {
        Self::start(own_cluster().await).await
    }

    /// The cluster of [`World::on_own_cluster`].
    pub fn cluster(&self) -> &Postgres {
        match &*self.keeper {
            Keeper::Cluster { cluster, .. } => cluster,
            Keeper::Folder { .. } | Keeper::Postgres { .. } => panic!("this world has no cluster of its own"),
        }
    }

    async fn start(place: (Database, Keeper)) -> Self {
        Self::start_with(place, settings()).await
    }

    pub async fn start_with((database, keeper): (Database, Keeper), settings: AuthSettings) -> Self {
        maas_auth::migrate(&database).await.unwrap();
        maas_auth::check_schema(&database).await.unwrap();
        let clock = Arc::new(FixedClock::at(Timestamp::from_unix_ms(1_763_000_000_123)));
        Self::serve((database, Arc::new(keeper)), settings, clock).await
    }

    /// Another replica on the same database, with settings of its own.
    pub async fn replica(&self, settings: AuthSettings) -> Self {
        self.replica_at(settings, self.clock.clone()).await
    }

    /// The same with another clock, where somebody's outside our walls runs.
    pub async fn replica_at(&self, settings: AuthSettings, clock: Arc<FixedClock>) -> Self {
        Self::serve((self.database.clone(), self.keeper.clone()), settings, clock).await
    }

    async fn serve(
        (database, keeper): (Database, Arc<Keeper>),
        settings: AuthSettings,
        clock: Arc<FixedClock>,
    ) -> Self {
        let process = Process { clock: clock.clone(), ..Process::new().unwrap() };
        let bus: SharedBus = Arc::new(InProcessBus::new());
        let public_origin = settings.public_url.clone();
        let auth = Auth::start(settings.clone(), database.clone(), bus.clone(), &process).await.unwrap();
        let admin = auth.ensure_first_admin().await.unwrap();
        let refusals = refusals(&auth, &process);
        Self { auth, bus, clock, process, database, admin, public_origin, settings, keeper, refusals }
    }

    pub fn one_time_password(&self) -> String {
        self.admin.one_time_password.as_ref().unwrap().expose_secret().to_owned()
    }

    /// A control token of the first admin.
    pub async fn admin(&self) -> As {
        let token = self.auth.issue_control_token(self.admin.user_id, Duration::from_secs(3_600)).await.unwrap();
        As::Token(token.expose_secret().to_owned())
    }

    /// A user who has changed the one-time password to [`PASSWORD`]: their id and session.
    pub async fn person(&self, name: &str, role: &str) -> (String, As) {
        let created = self.post("/api/v1/users", &self.admin().await, json!({"user_name": name, "role": role})).await;
        assert_eq!(created.status, 201, "{}", created.body);
        let one_time = created.body["one_time_password"].as_str().unwrap();
        let session = self.sign_in(name, one_time).await.session();
        let change = json!({"current_password": one_time, "new_password": PASSWORD});
        assert_eq!(self.post("/api/v1/auth/password", &session, change).await.status, 204);
        (created.body["user"]["id"].as_str().unwrap().to_owned(), session)
    }

    /// Rows of people of the provider `corp` who have been here and are all in one group.
    pub async fn fill_users(&self, count: u32, group: &str) {
        let id = match self.database.backend() {
            DatabaseBackend::Postgres => "gen_random_uuid()",
            _ => "randomblob(16)",
        };
        let people = format!(
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) \
             INSERT INTO users (id, version, user_name, issuer, subject, provider_id, status, role, must_change_password, \
                 tokens_valid_from_ms, created_at, updated_at) \
             SELECT {id}, 1, 'person ' || n, 'https://corp.example', 'person ' || n, 'corp', 'active', 'user', false, 0, n, n \
             FROM numbers"
        );
        let groups =
            format!("INSERT INTO user_groups SELECT id, '{group}' FROM users WHERE issuer = 'https://corp.example'");
        for sql in [people, groups] {
            self.database.writer().execute_unprepared(&sql).await.unwrap();
        }
    }

    pub async fn sign_in(&self, user_name: &str, password: &str) -> Answer {
        self.post("/api/v1/auth/login", &As::Nobody, json!({"user_name": user_name, "password": password})).await
    }

    pub async fn get(&self, path: &str, who: &As) -> Answer {
        self.send(self.request(Method::GET, path, who)).await
    }

    pub async fn post(&self, path: &str, who: &As, body: Value) -> Answer {
        self.send(self.request(Method::POST, path, who).set_json(body)).await
    }

    pub async fn patch(&self, path: &str, who: &As, body: Value) -> Answer {
        self.send(self.request(Method::PATCH, path, who).set_json(body)).await
    }

    pub async fn delete(&self, path: &str, who: &As) -> Answer {
        self.send(self.request(Method::DELETE, path, who)).await
    }

    /// A request as a well-behaved client sends it.
    pub fn request(&self, method: Method, path: &str, who: &As) -> TestRequest {
        let request = TestRequest::with_uri(path).method(method).peer_addr("192.0.2.17:4711".parse().unwrap());
        match who {
            As::Nobody => request,
            As::Token(token) => request.insert_header(("authorization", format!("Bearer {token}"))),
            As::Session { cookie, csrf } => request
                .cookie(Cookie::new("maas_session", cookie.clone()))
                .insert_header(("x-csrf-token", csrf.clone()))
                .insert_header(("origin", self.public_origin.clone())),
        }
    }

    pub async fn send(&self, request: TestRequest) -> Answer {
        let (status, headers, bytes) = self.exchange(request).await;
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status, headers, body }
    }

    /// For answers that are not JSON.
    pub async fn exchange(&self, request: TestRequest) -> (StatusCode, HeaderMap, Bytes) {
        let web_settings = WebSettings {
            public_origin: self.public_origin.clone(),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
        };
        let app = App::new()
            .wrap(from_fn(control_plane))
            .app_data(web::Data::new(web_settings))
            .app_data(web::Data::new(self.refusals.clone()))
            .app_data(web::Data::new(InternalTokens(vec![SecretString::from(INTERNAL_TOKEN)])))
            .app_data(web::Data::<SharedCallerResolver>::new(self.auth.resolver()))
            .configure(|services| self.auth.configure(&mut ServiceConfig::new(services)))
            .configure(|services| self.auth.configure_internal(services));
        let app = init_service(app).await;
        let response = call_service(&app, request.to_request()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        (status, headers, read_body(response).await)
    }
}

pub fn settings() -> AuthSettings {
    AuthSettings {
        public_url: "http://maas.example:8080".to_owned(),
        signing_key: Secret::new(generate_signing_key().unwrap()),
        ..AuthSettings::default()
    }
}

fn refusals(service: &Auth, process: &Process) -> RefusalBooks {
    let outbox = service.outbox();
    RefusalBooks::of(RefusalBook::start("auth", process, move |deliveries, now| {
        let outbox = outbox.clone();
        async move { outbox.tell(deliveries, now).await }
    }))
}
