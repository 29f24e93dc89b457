//! The keys, people and models of every test.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use maas_events::{
    Bucket, Delivery,
    state::{
        Credential, KeyState, KeyStatus, ModelState, PriceState, TeamState, UpstreamState, UserState, UserStatus,
        credential::Source,
    },
};
use maas_keys::{ParsedKey, Pepper, PlainKey};
use uuid::Uuid;

pub const PEPPER: &str = "a pepper for tests with enough bytes";
/// In nano-units per million tokens.
pub const INPUT_RATE: i64 = 150_000_000;
pub const OUTPUT_RATE: i64 = 600_000_000;
pub const PRICE: Uuid = Uuid::from_u128(77);
pub const OWNER: Uuid = Uuid::from_u128(1);
pub const DISABLED_OWNER: Uuid = Uuid::from_u128(2);
pub const UNKNOWN_OWNER: Uuid = Uuid::from_u128(3);
/// Nobody listens on this loopback port.
pub const DEAD: &str = "http://127.0.0.1:1/v1";

static NEXT_VERSION: AtomicU64 = AtomicU64::new(1);
static NEXT_ID: AtomicU64 = AtomicU64::new(1_000);

pub fn next_version() -> u64 {
    NEXT_VERSION.fetch_add(1, Ordering::Relaxed)
}

pub fn new_id() -> Bytes {
    id_bytes(Uuid::from_u128(u128::from(NEXT_ID.fetch_add(1, Ordering::Relaxed))))
}

pub fn id_bytes(id: Uuid) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}

/// The state of an active key of [`OWNER`] for all models.
pub fn key_state(key: &PlainKey) -> KeyState {
    let pepper = Pepper::from_file_content(1, PEPPER.as_bytes()).unwrap();
    let mac = pepper.mac(&ParsedKey::parse(key.expose().as_bytes()).unwrap());
    KeyState {
        id: new_id(),
        version: next_version(),
        public_id: key.public_id().to_string(),
        secret_mac: Bytes::copy_from_slice(&mac),
        pepper_version: 1,
        status: KeyStatus::Active.into(),
        owner_id: id_bytes(OWNER),
        all_models: true,
        name: "test key".to_owned(),
        ..Default::default()
    }
}

pub fn user_state(id: Uuid, status: UserStatus) -> UserState {
    UserState { id: id_bytes(id), version: next_version(), status: status.into(), ..Default::default() }
}

pub fn upstream(base_url: &str, upstream_model: &str) -> UpstreamState {
    UpstreamState {
        id: new_id(),
        name: "first".to_owned(),
        provider: "simulated".to_owned(),
        dialect: "openai".to_owned(),
        base_url: base_url.to_owned(),
        upstream_model: upstream_model.to_owned(),
        weight: 1,
        enabled: true,
        ..Default::default()
    }
}

/// An upstream that speaks these APIs itself, besides chat.
pub fn speaking(native_apis: &[&str], upstream: UpstreamState) -> UpstreamState {
    let native_apis = native_apis.iter().map(|api| (*api).to_owned()).collect();
    UpstreamState { native_apis, ..upstream }
}

/// An upstream that speaks Anthropic's Messages and nothing else.
pub fn anthropic(base_url: &str) -> UpstreamState {
    UpstreamState { dialect: "anthropic".to_owned(), ..upstream(base_url, "sim-chat") }
}

pub fn with_variable(variable: &str, upstream: UpstreamState) -> UpstreamState {
    let source = Source::EnvironmentVariable(variable.to_owned());
    UpstreamState { credential: Some(Credential { source: Some(source) }), ..upstream }
}

pub fn model(name: &str, upstreams: Vec<UpstreamState>) -> ModelState {
    let price = PriceState {
        id: id_bytes(PRICE),
        currency: "USD".to_owned(),
        input: INPUT_RATE,
        output: OUTPUT_RATE,
        ..Default::default()
    };
    ModelState {
        id: new_id(),
        version: next_version(),
        name: name.to_owned(),
        enabled: true,
        kind: "chat".to_owned(),
        owned_by: "tests".to_owned(),
        created_at_ms: 1_750_000_000_000,
        upstreams,
        prices: vec![price],
        ..Default::default()
    }
}

/// Every model that the tests call by name, served by one upstream.
pub fn models(base_url: &str) -> Vec<ModelState> {
    let sim = || upstream(base_url, "sim-chat");
    let one = |name| model(name, vec![sim()]);
    let second = UpstreamState { name: "second".to_owned(), priority: 1, ..sim() };
    vec![
        ModelState { aliases: vec!["gpt-alias".to_owned()], ..one("chat") },
        one("sim-chat"),
        model("embed", vec![upstream(base_url, "sim-embed")]),
        model("org/slash", vec![upstream(base_url, "sim/llama-3.1-8b")]),
        ModelState { enabled: false, ..one("disabled") },
        ModelState { restricted: true, ..one("restricted") },
        ModelState { deleted: true, ..one("deleted") },
        model("no-upstream", Vec::new()),
        model("dead", vec![upstream(DEAD, "sim-chat")]),
        model("failover", vec![upstream(DEAD, "sim-chat"), second]),
        model("impatient", vec![UpstreamState { first_byte_timeout_ms: 150, ..sim() }]),
        model("short-gap", vec![UpstreamState { gap_timeout_ms: 150, ..sim() }]),
        model("short-total", vec![UpstreamState { total_timeout_ms: 300, ..sim() }]),
        ModelState { prices: Vec::new(), ..one("unpriced") },
        model("native", vec![speaking(&["responses", "messages"], sim())]),
        model("claude", vec![anthropic(base_url)]),
    ]
}

pub fn state<M: prost::Message>(bucket: Bucket, id: &Bytes, version: u64, value: &M) -> Delivery {
    let key = Uuid::from_slice(id).unwrap().simple().to_string();
    Delivery::State { bucket, key, version, value: value.encode_to_vec().into() }
}

pub fn key_delivery(key: &KeyState) -> Delivery {
    state(Bucket::Keys, &key.id, key.version, key)
}

pub fn user_delivery(user: &UserState) -> Delivery {
    state(Bucket::Users, &user.id, user.version, user)
}

pub fn model_delivery(model: &ModelState) -> Delivery {
    state(Bucket::Models, &model.id, model.version, model)
}

pub fn team_delivery(team: &TeamState) -> Delivery {
    state(Bucket::Teams, &team.id, team.version, team)
}
