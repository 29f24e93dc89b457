//! Asking the service through its real app, as this or that caller.

use std::sync::Arc;

use actix_web::{
    App, HttpServer,
    body::{BoxBody, MessageBody as _},
    http::header::HeaderMap,
    middleware::from_fn,
    test, web,
};
use bytes::Bytes;
use maas_types::{Role, TeamId, TeamRole, TokenId};
use maas_usage_ingest::UsageIngest;
use maas_web::{
    Caller, CallerResolver, Credential, IdentityUnavailable, SharedCallerResolver, TeamMembership, Via, WebSettings,
    middleware::control_plane,
};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use utoipa_actix_web::AppExt as _;
use uuid::Uuid;

use crate::{producer::user, world::now};

/// `Bearer user:<usr_id>:<role>`, then `:<team_id>` for each team that the caller owns.
struct NamedCallers;

#[async_trait::async_trait]
impl CallerResolver for NamedCallers {
    async fn resolve(&self, credential: &Credential) -> Result<Option<Caller>, IdentityUnavailable> {
        let Credential::Token(token) = credential else { return Ok(None) };
        let mut parts = token.expose_secret().split(':').skip(1);
        let (Some(id), Some(role)) = (parts.next(), parts.next()) else { return Ok(None) };
        let (Ok(user_id), Some(role)) = (id.parse(), Role::parse(role)) else { return Ok(None) };
        let owned = |team: &str| Some(TeamMembership { team_id: team.parse().ok()?, role: TeamRole::Owner });
        let teams = parts.filter_map(owned).collect();
        let via = Via::Token(TokenId::new_at(now()));
        let user_name = "somebody".to_owned();
        Ok(Some(Caller { user_id, user_name, role, via, must_change_password: false, teams }))
    }
}

pub fn admin() -> String {
    format!("user:{}:admin", user(99))
}

pub fn person(number: u128) -> String {
    format!("user:{}:user", user(number))
}

pub fn owner(number: u128, teams: &[u128]) -> String {
    teams.iter().fold(person(number), |caller, number| format!("{caller}:{}", team(*number)))
}

pub fn team(number: u128) -> TeamId {
    TeamId::from_uuid(Uuid::from_u128(0x7_0000 + number))
}

/// The head of an answer, and its body still to be read.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    body: std::pin::Pin<Box<BoxBody>>,
}

impl Answer {
    /// The next piece of the body; `None`: it ended well.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, String>> {
        let next = std::future::poll_fn(|context| self.body.as_mut().poll_next(context)).await;
        next.map(|chunk| chunk.map_err(|error| error.to_string()))
    }

    /// The whole body, which must end well.
    pub async fn text(&mut self) -> String {
        let mut text = Vec::new();
        while let Some(chunk) = self.chunk().await {
            text.extend_from_slice(&chunk.unwrap());
        }
        String::from_utf8(text).unwrap()
    }
}

macro_rules! app {
    ($service:expr) => {
        App::new()
            .wrap(from_fn(control_plane))
            .app_data(web::Data::new(Arc::new(NamedCallers) as SharedCallerResolver))
            .app_data(web::Data::new(WebSettings {
                public_origin: "http://localhost".to_owned(),
                allowed_origins: Vec::new(),
                trusted_proxies: Vec::new(),
            }))
            .into_utoipa_app()
            .configure(|services| $service.configure(services))
            .into_app()
    };
}

pub async fn answer(service: &UsageIngest, caller: &str, path: &str) -> Answer {
    let app = test::init_service(app!(service)).await;
    let mut request = test::TestRequest::get().uri(path);
    if !caller.is_empty() {
        request = request.insert_header(("authorization", format!("Bearer {caller}")));
    }
    let response = test::call_service(&app, request.to_request()).await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: Box::pin(response.into_body().boxed()) }
}

pub async fn get(service: &UsageIngest, caller: &str, path: &str) -> (u16, Value) {
    let mut answer = answer(service, caller, path).await;
    (answer.status, serde_json::from_str(&answer.text().await).unwrap())
}

pub async fn ok(service: &UsageIngest, caller: &str, path: &str) -> Value {
    let (status, body) = get(service, caller, path).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

pub fn sum(list: &Value, field: &str) -> i64 {
    list.as_array().unwrap().iter().map(|row| row[field].as_i64().unwrap()).sum()
}

/// Nano-units of a decimal text.
pub fn nanos(text: &Value) -> i64 {
    text.as_str().unwrap().parse::<maas_types::Nanos>().unwrap().0
}

/// Everything that a real server sends before it closes the connection.
pub async fn bytes_of_a_real_answer(service: &UsageIngest, caller: &str, path: &str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let service = service.clone();
    let server = HttpServer::new(move || app!(service)).workers(1).disable_signals().listen(listener).unwrap().run();
    let handle = server.handle();
    let running = actix_web::rt::spawn(server);
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {caller}\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    // A connection that is broken off may end with a reset.
    let _ended = connection.read_to_end(&mut received).await;
    handle.stop(false).await;
    running.await.unwrap().unwrap();
    String::from_utf8_lossy(&received).into_owned()
}
