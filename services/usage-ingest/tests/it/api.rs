//! The operations of admins through the real app.

use std::sync::Arc;

use actix_web::{App, http::Method, middleware::from_fn, test, web};
use maas_events::{
    audit::AuditRecord,
    topic::{AUDIT_STREAM, AUDIT_SUBJECT},
};
use maas_types::{Role, TokenId, UserId};
use maas_usage_ingest::UsageIngest;
use maas_web::{
    Caller, CallerResolver, Credential, IdentityUnavailable, SharedCallerResolver, Via, WebSettings,
    middleware::control_plane,
};
use prost::Message as _;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use utoipa_actix_web::AppExt as _;

use crate::{
    producer::user,
    world::{World, now},
};

/// `Bearer <role>`
pub struct Roles;

pub fn admin_id() -> UserId {
    user(99)
}

#[async_trait::async_trait]
impl CallerResolver for Roles {
    async fn resolve(&self, credential: &Credential) -> Result<Option<Caller>, IdentityUnavailable> {
        let Credential::Token(token) = credential else { return Ok(None) };
        let text = token.expose_secret();
        let role = [Role::User, Role::AdminReadonly, Role::Admin].into_iter().find(|role| role.as_str() == text);
        Ok(role.map(|role| Caller {
            user_id: admin_id(),
            user_name: "Ada".to_owned(),
            role,
            via: Via::Token(TokenId::new_at(now())),
            must_change_password: false,
            teams: Vec::new(),
        }))
    }
}

/// One request as a role, with an Idempotency-Key unless it is empty.
pub async fn call(
    service: &UsageIngest,
    role: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
    idempotency_key: &str,
) -> (u16, Value) {
    let resolver: SharedCallerResolver = Arc::new(Roles);
    let settings = WebSettings {
        public_origin: "http://localhost".to_owned(),
        allowed_origins: Vec::new(),
        trusted_proxies: Vec::new(),
    };
    let app = App::new()
        .wrap(from_fn(control_plane))
        .app_data(web::Data::new(resolver))
        .app_data(web::Data::new(settings))
        .into_utoipa_app()
        .configure(|services| service.configure(services))
        .into_app();
    let app = test::init_service(app).await;
    let mut request = test::TestRequest::default().method(method).uri(&format!("/api/v1/usage/{path}"));
    request = request.insert_header(("authorization", format!("Bearer {role}")));
    if !idempotency_key.is_empty() {
        request = request.insert_header(("idempotency-key", idempotency_key));
    }
    if let Some(body) = body {
        request = request.set_json(body);
    }
    let response = test::call_service(&app, request.to_request()).await;
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&test::read_body(response).await).unwrap())
}

pub async fn get(service: &UsageIngest, path: &str) -> Value {
    let (status, body) = call(service, "admin-readonly", Method::GET, path, None, "").await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

pub async fn post(service: &UsageIngest, path: &str, body: Value) -> (u16, Value) {
    call(service, "admin", Method::POST, path, Some(body), "").await
}

/// A list as pages of one show it.
pub async fn all_pages(service: &UsageIngest, path: &str) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(service, &format!("{path}limit=1{cursor}")).await;
        rows.extend(page["data"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { return rows };
        cursor = format!("&cursor={next}");
    }
}

impl World {
    /// The next audit record that leaves the service.
    pub async fn audit_record(&self) -> AuditRecord {
        let spec = maas_bus::ConsumerSpec {
            stream: AUDIT_STREAM,
            name: "test-audit",
            subject: AUDIT_SUBJECT.to_owned(),
            ack_wait: std::time::Duration::from_secs(30),
            max_in_flight: 10,
        };
        let mut consumer = self.bus.consume(spec).await.unwrap();
        let next = tokio::time::timeout(std::time::Duration::from_secs(20), consumer.next());
        let message = next.await.unwrap().unwrap();
        let record = AuditRecord::decode(message.payload.clone()).unwrap();
        message.ack().await.unwrap();
        record
    }
}
