//! Somebody with a token of an OpenShift cluster, and nothing else.

use maas_testkit::{
    SimulatedUpstream,
    openshift::{CLIENT_ID, CLIENT_SECRET, FakeOpenShift},
    token_review::REVIEWER_TOKEN,
};
use maas_tests::{Api, DataPlane, Standalone, StandaloneOptions, chat_body};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What `oc whoami -t` prints.
const OC_TOKEN: &str = "sha256~canary-oc-whoami-t";
/// As the model server calls it, and where it is.
const MODEL: &str = "sim/llama-3.1-8b";
const INSTANCE: &str = "/llm/gemini-llamastack/v1/chat/completions";

struct Place {
    world: Standalone,
    _upstream: SimulatedUpstream,
    _openshift: FakeOpenShift,
    _folder: TempDir,
}

impl Place {
    async fn start() -> Self {
        let (upstream, openshift) = (SimulatedUpstream::start().unwrap(), FakeOpenShift::start().unwrap());
        openshift.reviews.knows(OC_TOKEN, "ada", Some("c3f2b5a0-1111"), &["developers"]);
        let folder = tempfile::tempdir().unwrap();
        let reviewer = folder.path().join("reviewer");
        std::fs::write(&reviewer, REVIEWER_TOKEN).unwrap();
        let settings = format!(
            r#"
            [[auth.providers]]
            id = "openshift"
            kind = "openshift"
            url = "{}"
            client_id = "{CLIENT_ID}"
            client_secret = "{CLIENT_SECRET}"
            allow_loopback = true
            reviewer_token_file = "{}"
            [[catalog.upstreams]]
            name = "gemini-llamastack"
            url = "{}"
            "#,
            openshift.url(),
            reviewer.display(),
            upstream.base_url(),
        );
        let file = folder.path().join("maas.toml");
        std::fs::write(&file, settings).unwrap();
        let options = StandaloneOptions {
            settings: vec![("MAAS_CONFIG".to_owned(), file.display().to_string())],
            ..StandaloneOptions::default()
        };
        let world = Standalone::start_with(&options).await.unwrap();
        Self { world, _upstream: upstream, _openshift: openshift, _folder: folder }
    }

    fn api(&self, token: &str) -> Api {
        self.world.api().with_token(token)
    }
}

fn code(body: &Value) -> &str {
    body["error"]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_token_of_the_cluster_is_all_it_takes_to_call_a_model() {
    let place = Place::start().await;
    let made = place.api(OC_TOKEN).post("/maas-api/v1/tokens", &json!({"expiration": "1h"})).await.expect(201);
    let token = made["token"].as_str().unwrap();
    assert_eq!(made["expiration"], "1h0m0s");
    assert_eq!(made["expiresAt"].as_i64().unwrap() - made["issuedAt"].as_i64().unwrap(), 3_600);

    let models = place.api(token).get("/maas-api/v1/models").await.expect(200);
    let model = &models["data"][0];
    assert!(model["id"].is_string() && model["owned_by"].is_string() && model["ready"] == true, "{models}");

    let client = DataPlane::new(&place.world.bootstrap.url, token);
    let answer = client.post(INSTANCE, &chat_body(MODEL)).await.expect(200);
    assert_eq!(answer["model"], MODEL);
    assert_eq!(code(&client.get("/v1/key").await.expect(403)), "operation_not_allowed");
    place.api(token).get("/api/v1/me").await.expect(403);

    let api = place.api(token);
    api.send(api.request(Method::DELETE, "/maas-api/v1/tokens")).await.expect(204);
    assert_eq!(code(&client.post(INSTANCE, &chat_body(MODEL)).await.expect(401)), "revoked_api_key");
    place.api(token).get("/maas-api/v1/models").await.expect(401);
    for secret in [OC_TOKEN, token, REVIEWER_TOKEN] {
        assert!(!place.world.program.log().contains(secret), "a token is in the log");
    }
}
