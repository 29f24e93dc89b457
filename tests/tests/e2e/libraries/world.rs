//! The platform that the scripts find: upstreams of every dialect, one that has died, one that misbehaves on demand, and
//! keys of every kind.

use std::time::Duration;

use maas_keys::PlainKey;
use maas_testkit::upstream::{Behaviour, ModelCounters, Options};
use maas_testkit::{ChildProcess, SimulatedUpstream, eventually};
use maas_tests::{Api, PATIENCE, Standalone, StandaloneOptions};
use serde_json::json;

use super::interpreter::Interpreter;

const SCRIPT_TIMEOUT: Duration = Duration::from_secs(60);
const UPSTREAM_KEY: &str = "upstream-key-of-the-library-tests";

/// The variable that tells a script the name of a model, and the name. These are in the list of their upstream.
const LISTED_MODELS: [(&str, &str); 9] = [
    ("MAAS_CHAT_MODEL", "sim-chat"),
    ("MAAS_SLASHED_MODEL", "sim/llama-3.1-8b"),
    ("MAAS_EMBEDDING_MODEL", "sim-embed"),
    ("MAAS_OTHER_MODEL", "sim-other"),
    ("MAAS_SPEECH_MODEL", "sim-speech"),
    ("MAAS_TRANSCRIPTION_MODEL", "sim-transcribe"),
    ("MAAS_IMAGE_MODEL", "sim-image"),
    ("MAAS_MODERATION_MODEL", "sim-moderation"),
    ("MAAS_RERANK_MODEL", "sim-rerank"),
];
/// These are made one by one, since no list tells what their upstream speaks.
const NATIVE_MODELS: [(&str, &str, Speaks); 5] = [
    ("MAAS_ANTHROPIC_MODEL", "sim-claude", Speaks::Messages),
    ("MAAS_OTHER_ANTHROPIC_MODEL", "sim-claude-other", Speaks::Messages),
    ("MAAS_AZURE_MODEL", "sim-azure", Speaks::Azure),
    ("MAAS_RESPONSES_MODEL", "sim-responses", Speaks::Responses),
    ("MAAS_OTHER_RESPONSES_MODEL", "sim-responses-other", Speaks::Responses),
];
const DEAD_MODEL: &str = "doomed";
const FLAKY_MODEL: &str = "flaky";

#[derive(Clone, Copy)]
enum Speaks {
    Messages,
    Azure,
    Responses,
}

pub struct World {
    pub standalone: Standalone,
    /// Its usage is reported by the scripts.
    pub key: String,
    pub other_key: String,
    metered_key_id: String,
    environment: Vec<(&'static str, String)>,
    /// Knows chats, embeddings and media: what speaks another dialect is translated for it.
    openai: SimulatedUpstream,
    /// Is called in every other dialect.
    native: SimulatedUpstream,
    _flaky: SimulatedUpstream,
}

impl World {
    pub async fn start() -> Self {
        let openai = upstream(LISTED_MODELS.iter().map(|(_, name)| *name));
        let native = upstream(NATIVE_MODELS.iter().map(|(_, name, _)| *name));
        let (flaky, doomed) = (upstream([FLAKY_MODEL]), upstream([DEAD_MODEL]));
        let options = StandaloneOptions {
            upstreams: vec![openai.base_url(), flaky.base_url(), doomed.base_url()],
            upstream_key: Some(UPSTREAM_KEY.to_owned()),
            ..StandaloneOptions::default()
        };
        let standalone = Standalone::start_with(&options).await.unwrap();
        let api = standalone.api();
        for (_, name, speaks) in NATIVE_MODELS {
            create_model(&api, name, &native, speaks).await;
        }
        let (metered_key_id, key) = api.create_key("metered").await;
        let (_, other_key) = api.create_key("other").await;
        let environment = environment(&standalone, &flaky);
        let mut world = Self { standalone, key, other_key, metered_key_id, environment, openai, native, _flaky: flaky };
        world.tell_keys().await;
        doomed.stop().await.unwrap();
        world.wait_for_models().await;
        world
    }

    async fn tell_keys(&mut self) {
        let api = self.api();
        let (revoked_id, revoked_key) = api.create_key("revoked").await;
        api.revoke_key(&revoked_id).await;
        let unknown_key = PlainKey::generate().unwrap().expose().to_owned();
        let (key, other_key) = (self.key.clone(), self.other_key.clone());
        for (variable, value) in [
            ("MAAS_API_KEY", key),
            ("MAAS_OTHER_KEY", other_key),
            ("MAAS_REVOKED_KEY", revoked_key),
            ("MAAS_UNKNOWN_KEY", unknown_key),
        ] {
            self.tell(variable, &value);
        }
    }

    /// Models that were just made reach the data plane over the bus.
    async fn wait_for_models(&self) {
        let client = self.standalone.data_plane();
        eventually(PATIENCE, || async {
            let names = client.model_names().await;
            NATIVE_MODELS.iter().all(|(_, name, _)| names.iter().any(|known| known == name)).then_some(())
        })
        .await;
    }

    pub fn api(&self) -> Api {
        self.standalone.api()
    }

    /// One more thing for the scripts to know.
    pub fn tell(&mut self, variable: &'static str, value: &str) {
        self.environment.push((variable, value.to_owned()));
    }

    /// The path under which the first upstream's own names can be called.
    pub fn instance(&self) -> String {
        format!("llm/{}", self.openai.address().to_string().replace(['.', ':'], "-"))
    }

    pub fn metered_key_id(&self) -> &str {
        &self.metered_key_id
    }

    /// What the model's upstream has served.
    pub fn counters_of(&self, model: &str) -> ModelCounters {
        let counters = [self.openai.counters(), self.native.counters()];
        counters.into_iter().find_map(|mut counters| counters.models.remove(model)).unwrap_or_default()
    }

    /// Requests that the upstreams saw cut by their client.
    pub fn cancellations(&self) -> u64 {
        self.openai.counters().cancelled + self.native.counters().cancelled
    }

    /// Runs a script of `tests/sdk` to its end. What it has printed.
    pub async fn run(&self, interpreter: &Interpreter, script: &str) -> String {
        let mut command = interpreter.script(script);
        command.envs(self.environment.iter().map(|(name, value)| (*name, value.as_str())));
        let mut process = ChildProcess::spawn(command).unwrap();
        let status = process.wait(SCRIPT_TIMEOUT).await.unwrap();
        let log = self.standalone.program.log();
        assert!(status.success(), "{script}:\n{}\nthe platform:\n{log}", process.log());
        process.log()
    }
}

/// What scripts are told of addresses and models.
fn environment(standalone: &Standalone, flaky: &SimulatedUpstream) -> Vec<(&'static str, String)> {
    let root = &standalone.bootstrap.url;
    let mut environment = vec![
        ("MAAS_ROOT_URL", root.clone()),
        ("MAAS_BASE_URL", format!("{root}/v1")),
        ("MAAS_DEAD_MODEL", DEAD_MODEL.to_owned()),
        ("MAAS_FLAKY_MODEL", FLAKY_MODEL.to_owned()),
        ("MAAS_FLAKY_UPSTREAM", flaky.root_url()),
        ("MAAS_FLAKY_UPSTREAM_KEY", UPSTREAM_KEY.to_owned()),
    ];
    environment.extend(LISTED_MODELS.map(|(variable, name)| (variable, name.to_owned())));
    environment.extend(NATIVE_MODELS.map(|(variable, name, _)| (variable, name.to_owned())));
    environment
}

/// A model of one upstream, which is called with the same key as all others.
async fn create_model(api: &Api, name: &str, upstream: &SimulatedUpstream, speaks: Speaks) {
    let mut fields = match speaks {
        Speaks::Messages => json!({"base_url": upstream.base_url(), "dialect": "anthropic"}),
        Speaks::Azure => json!({"base_url": upstream.root_url(), "dialect": "azure_openai"}),
        Speaks::Responses => json!({"base_url": upstream.base_url(), "native_apis": ["responses"]}),
    };
    fields["credential"] = json!({"environment_variable": "MAAS_UPSTREAM_KEY"});
    api.post("/api/v1/models", &json!({"name": name, "upstreams": [fields]})).await.expect(201);
}

fn upstream<'a>(models: impl IntoIterator<Item = &'a str>) -> SimulatedUpstream {
    let behaviour = Behaviour { required_api_key: Some(UPSTREAM_KEY.to_owned()), ..Behaviour::default() };
    let models = models.into_iter().map(str::to_owned).collect();
    SimulatedUpstream::start_with_options(Options { models, behaviour, ..Options::default() }).unwrap()
}
