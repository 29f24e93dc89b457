//! A client of the control plane. In a cluster each path goes to the service that owns it, as an ingress would send it.

use std::sync::Arc;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::http::{Answer, client};

/// `prefix → base URL`; the first prefix that fits wins.
type Routes = Vec<(&'static str, String)>;

#[derive(Clone)]
pub struct Api {
    client: Client,
    routes: Arc<Routes>,
    token: String,
}

impl Api {
    pub fn new(url: &str, token: &str) -> Self {
        Self::with_routes(vec![("/", url.to_owned())], token)
    }

    pub fn with_routes(routes: Routes, token: &str) -> Self {
        Self { client: client(), routes: Arc::new(routes), token: token.to_owned() }
    }

    /// The same without a token.
    pub fn anonymous(&self) -> Self {
        self.with_token("")
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// A request to be changed before it is sent, see [`Api::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let (_, base) =
            self.routes.iter().find(|(prefix, _)| path.starts_with(prefix)).expect("a service of this path");
        let request = self.client.request(method, format!("{base}{path}"));
        if self.token.is_empty() { request } else { request.bearer_auth(&self.token) }
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        Answer::of(request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    /// A POST without a body.
    pub async fn act(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::POST, path)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::PATCH, path).json(body)).await
    }

    /// A new key: its id and its secret.
    pub async fn create_key(&self, name: &str) -> (String, String) {
        self.create_key_with(&json!({"name": name})).await
    }

    pub async fn create_key_with(&self, body: &Value) -> (String, String) {
        let created = self.post("/api/v1/keys", body).await.expect(201);
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        (text(&created["key"]["id"]), text(&created["secret"]))
    }

    pub async fn revoke_key(&self, id: &str) {
        self.act(&format!("/api/v1/keys/{id}/revoke")).await.expect(200);
    }

    /// The model with this public name.
    pub async fn model(&self, name: &str) -> Value {
        let page = self.get("/api/v1/models?limit=1000").await.expect(200);
        let models = page["data"].as_array().cloned().unwrap_or_default();
        models.into_iter().find(|model| model["name"] == name).unwrap_or_else(|| panic!("no model {name}: {page}"))
    }

    /// Gives the model a price from now on, in currency units per million tokens.
    pub async fn set_price(&self, model: &str, input: &str, output: &str) {
        let id = self.model(model).await["id"].as_str().expect("an id").to_owned();
        let price = json!({"input": input, "output": output});
        self.post(&format!("/api/v1/models/{id}/prices"), &price).await.expect(201);
    }

    pub async fn enable_model(&self, model: &str, enabled: bool) {
        let id = self.model(model).await["id"].as_str().expect("an id").to_owned();
        self.patch(&format!("/api/v1/models/{id}"), &json!({"enabled": enabled})).await.expect(200);
    }
}
