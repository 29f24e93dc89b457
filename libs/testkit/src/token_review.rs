//! The part of a Kubernetes API server that says whose a token is: `authentication.k8s.io/v1` `TokenReview`. Answers have
//! the form of the real one, which repeats the token.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

/// What whoever asks has to come with.
pub const REVIEWER_TOKEN: &str = "canary-token-of-the-reviewer";
/// What tokens are for when nothing else is said.
pub const API_AUDIENCE: &str = "https://kubernetes.default.svc";

/// The tokens of a cluster, and how its API server is at the moment.
#[derive(Clone, Default)]
pub struct TokenReviews(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    holders: HashMap<String, Holder>,
    trouble: Option<Trouble>,
    asked: u64,
}

#[derive(Clone)]
struct Holder {
    user: Value,
    audiences: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    Status(u16),
    Slow(Duration),
    /// JSON that is no review, with the token in it.
    Garbage,
    /// A server from before audiences: it ignores them.
    IgnoresAudiences,
}

impl TokenReviews {
    /// The holder of `token`; `uid` is none for `kube:admin`.
    pub fn knows(&self, token: &str, name: &str, uid: Option<&str>, groups: &[&str]) {
        self.knows_for(token, (name, uid, groups), &[API_AUDIENCE]);
    }

    pub fn knows_for(&self, token: &str, (name, uid, groups): (&str, Option<&str>, &[&str]), audiences: &[&str]) {
        let mut user =
            json!({"username": name, "groups": groups, "extra": {"scopes.authorization.openshift.io": ["user:full"]}});
        if let Some(uid) = uid {
            user["uid"] = json!(uid);
        }
        let audiences = audiences.iter().map(|audience| (*audience).to_owned()).collect();
        self.lock().holders.insert(token.to_owned(), Holder { user, audiences });
    }

    /// The token was withdrawn in the cluster.
    pub fn forget(&self, token: &str) {
        self.lock().holders.remove(token);
    }

    pub fn be_in(&self, trouble: Option<Trouble>) {
        self.lock().trouble = trouble;
    }

    /// How many reviews were asked for.
    pub fn asked(&self) -> u64 {
        self.lock().asked
    }

    /// The resource, for a server's app.
    pub fn configure(&self, services: &mut web::ServiceConfig) {
        services
            .app_data(web::Data::new(self.clone()))
            .route("/apis/authentication.k8s.io/v1/tokenreviews", web::post().to(review));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn review(request: HttpRequest, reviews: web::Data<TokenReviews>, body: web::Json<Value>) -> HttpResponse {
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    if header != Some(&format!("Bearer {REVIEWER_TOKEN}")) {
        return failure(403, "tokenreviews.authentication.k8s.io is forbidden");
    }
    let trouble = {
        let mut state = reviews.lock();
        state.asked += 1;
        state.trouble.clone()
    };
    match &trouble {
        Some(Trouble::Status(status)) => return failure(*status, "etcdserver: leader changed"),
        Some(Trouble::Garbage) => return HttpResponse::Created().json(json!({"spec": [body["spec"]["token"]]})),
        Some(Trouble::Slow(pause)) => tokio::time::sleep(*pause).await,
        Some(Trouble::IgnoresAudiences) | None => {}
    }
    let ignores_audiences = trouble == Some(Trouble::IgnoresAudiences);
    let status = reviews.lock().status_of(&body["spec"], ignores_audiences);
    HttpResponse::Created().json(json!({
        "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": null}, "spec": body["spec"], "status": status,
    }))
}

impl State {
    fn status_of(&self, spec: &Value, ignores_audiences: bool) -> Value {
        let unknown = json!({"user": {}, "error": "[invalid bearer token, token lookup failed]"});
        let token = spec["token"].as_str().unwrap_or_default();
        let Some(Holder { user, audiences }) = self.holders.get(token) else { return unknown };
        if ignores_audiences {
            return json!({"authenticated": true, "user": user});
        }
        let wanted = spec["audiences"].as_array().cloned().unwrap_or_else(|| vec![json!(API_AUDIENCE)]);
        let common: Vec<&String> = audiences.iter().filter(|audience| wanted.contains(&json!(audience))).collect();
        if common.is_empty() {
            return json!({"user": {}, "error": "token audiences do not match"});
        }
        json!({"authenticated": true, "user": user, "audiences": common})
    }
}

fn failure(code: u16, message: &str) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(code).expect("a status");
    HttpResponse::build(status).json(json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": code,
    }))
}
