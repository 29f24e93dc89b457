//! A running proxy with its neighbours.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use maas_bus::{Bus as _, InProcessBus};
use maas_events::{
    Delivery,
    state::{KeyState, ModelState, UserStatus},
    usage::UsageEvent,
};
use maas_keys::PlainKey;
use maas_proxy::{Proxy, ProxySettings, TokenKeySource};
use maas_runtime::{
    config::{HumanDuration, Secret},
    lifecycle::Lifecycle,
    process::Process,
};
use maas_testkit::{SimulatedUpstream, eventually};
use maas_types::Clock;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
};

use crate::{
    fixtures::{self, DISABLED_OWNER, OWNER},
    forms,
    http::{Answer, Connection, PATIENCE, Request},
    ingest::{Books, Ingest},
    owners::Owners,
};

pub const CHAT: &str = "/v1/chat/completions";
pub const MESSAGES: &str = "/v1/messages";
pub const RESPONSES: &str = "/v1/responses";

pub struct World {
    pub proxy: Proxy,
    pub process: Process,
    pub bus: InProcessBus,
    pub upstream: SimulatedUpstream,
    pub books: Arc<Books>,
    pub owners: Owners,
    pub address: SocketAddr,
    /// An active key of an active person, for all models.
    pub key: PlainKey,
    pub key_state: KeyState,
    pub journal_dir: PathBuf,
    _folder: TempDir,
}

type Change<T> = Box<dyn FnOnce(&mut T)>;
/// Gets the base URL of the simulated upstream.
type NewModel = Box<dyn FnOnce(&str) -> ModelState>;

/// How a world differs from the usual one.
#[derive(Default)]
pub struct Setup {
    pub settings: Vec<Change<ProxySettings>>,
    pub models: Vec<NewModel>,
    pub key: Option<Change<KeyState>>,
    pub without_ingest: bool,
    /// They say nothing until the test lets them.
    pub without_owners: bool,
    pub clock: Option<Arc<dyn Clock>>,
    /// Where the keys of access tokens come from.
    pub token_keys: Option<TokenKeySource>,
    /// The listener goes on when the process is told to stop.
    pub own_listener_lifecycle: bool,
    /// The content of a journal that was there before.
    pub journal: Option<PathBuf>,
}

impl World {
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with_settings(change: impl FnOnce(&mut ProxySettings) + 'static) -> Self {
        Self::with(Setup { settings: vec![Box::new(change)], ..Setup::default() }).await
    }

    pub async fn with_model(model: impl FnOnce(&str) -> ModelState + 'static) -> Self {
        Self::with(Setup { models: vec![Box::new(model)], ..Setup::default() }).await
    }

    pub async fn with(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal_dir = folder.path().join("journal");
        if let Some(earlier) = &setup.journal {
            copy_folder(earlier, &journal_dir);
        }
        let mut settings = ProxySettings {
            journal_dir: journal_dir.clone(),
            pepper: Secret::new(fixtures::PEPPER),
            allow_loopback_upstreams: true,
            drain_timeout: HumanDuration::from_secs(30),
            ..ProxySettings::default()
        };
        setup.settings.into_iter().for_each(|change| change(&mut settings));

        let upstream = SimulatedUpstream::start().unwrap();
        let bus = InProcessBus::new();
        let key = PlainKey::generate().unwrap();
        let mut key_state = fixtures::key_state(&key);
        if let Some(change) = setup.key {
            change(&mut key_state);
        }
        let mut models = fixtures::models(&upstream.base_url());
        models.extend(setup.models.into_iter().map(|model| model(&upstream.base_url())));
        let users = [(OWNER, UserStatus::Active), (DISABLED_OWNER, UserStatus::Disabled)];
        let users = users.map(|(id, status)| fixtures::user_delivery(&fixtures::user_state(id, status)));
        let state =
            models.iter().map(fixtures::model_delivery).chain(users).chain([fixtures::key_delivery(&key_state)]);
        for delivery in state {
            bus.deliver(delivery).await.unwrap();
        }

        let books = Arc::new(Books::default());
        if !setup.without_ingest {
            Ingest::start(&bus, books.clone()).await;
        }
        let mut process = Process::new().unwrap();
        if let Some(clock) = setup.clock {
            process.clock = clock;
        }
        let owners = Owners::start(&bus, process.clock.clone()).await;
        if setup.without_owners {
            owners.silence();
        }
        let shared_bus = Arc::new(bus.clone());
        let proxy = match setup.token_keys {
            None => Proxy::start(settings, shared_bus, &process).await.unwrap(),
            some => Proxy::start_beside_auth(settings, some, shared_bus, &process).await.unwrap(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let listening = if setup.own_listener_lifecycle { Lifecycle::new() } else { process.lifecycle.clone() };
        proxy.serve(&listening, listener, 2).unwrap();
        let is_ready = || setup.without_owners || process.readiness.is_ready();
        eventually(PATIENCE, || std::future::ready(is_ready().then_some(()))).await;
        Self { owners, proxy, process, bus, upstream, books, address, key, key_state, journal_dir, _folder: folder }
    }

    pub async fn deliver(&self, delivery: Delivery) {
        self.bus.deliver(delivery).await.unwrap();
    }

    /// A new key, known to the proxy through the bus; `change` edits its state first.
    pub async fn add_key(&self, change: impl FnOnce(&mut KeyState)) -> PlainKey {
        let key = PlainKey::generate().unwrap();
        let mut state = fixtures::key_state(&key);
        change(&mut state);
        self.deliver(fixtures::key_delivery(&state)).await;
        // Not known as long as it is looked up in vain.
        eventually(PATIENCE, || async {
            let answer = self.get("/v1/models").key(key.expose()).send().await;
            (!answer.text().contains("key_state_unavailable")
                || state.owner_id == fixtures::UNKNOWN_OWNER.as_bytes()[..])
                .then_some(())
        })
        .await;
        key
    }

    /// Without a key.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    /// Without a key.
    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    /// With the key.
    pub fn post(&self, path: &str, body: &Value) -> Request {
        self.request("POST", path).key(self.key.expose()).body(body.to_string())
    }

    /// Five words of input, answered by the upstream with `modifiers` (see the simulated upstream).
    pub fn chat(&self, model: &str, modifiers: &str) -> Request {
        self.post(CHAT, &chat_body(model, modifiers))
    }

    pub fn stream(&self, model: &str, modifiers: &str) -> Request {
        let mut body = chat_body(model, modifiers);
        body["stream"] = json!(true);
        self.post(CHAT, &body)
    }

    pub fn stream_with_usage(&self, model: &str, modifiers: &str) -> Request {
        let mut body = chat_body(model, modifiers);
        body["stream"] = json!(true);
        body["stream_options"] = json!({"include_usage": true});
        self.post(CHAT, &body)
    }

    /// The same five words for Messages; answered with four words unless `modifiers` say otherwise.
    pub fn message(&self, model: &str, modifiers: &str) -> Request {
        self.post(MESSAGES, &message_body(model, modifiers))
    }

    pub fn message_stream(&self, model: &str, modifiers: &str) -> Request {
        let mut body = message_body(model, modifiers);
        body["stream"] = json!(true);
        self.post(MESSAGES, &body)
    }

    /// The same five words for Responses; answered with four words unless `modifiers` say otherwise.
    pub fn response(&self, model: &str, modifiers: &str) -> Request {
        self.post(RESPONSES, &response_body(model, modifiers))
    }

    pub fn response_stream(&self, model: &str, modifiers: &str) -> Request {
        let mut body = response_body(model, modifiers);
        body["stream"] = json!(true);
        self.post(RESPONSES, &body)
    }

    /// A multipart form.
    pub fn upload(&self, path: &str, form: &[u8]) -> Request {
        let request = self.request("POST", path).key(self.key.expose());
        request.header("content-type", forms::CONTENT_TYPE).body(form)
    }

    /// A new model, known to the proxy when this returns.
    pub async fn add_model(&self, model: &ModelState) {
        self.deliver(fixtures::model_delivery(model)).await;
        let path = format!("/v1/models/{}", model.name);
        self.eventually_answers(self.get(&path).key(self.key.expose()), |answer| answer.status == 200).await;
    }

    /// The event of the request with this id.
    pub async fn event(&self, request_id: &str) -> UsageEvent {
        self.books.event_of(request_id).await
    }

    /// Stops softly and gives all events there were; no source has lost one.
    pub async fn finish(&self) -> Vec<UsageEvent> {
        self.process.lifecycle.stop();
        self.process.lifecycle.stopped(PATIENCE).await.unwrap();
        self.books.sources().values().for_each(|source| source.assert_complete());
        self.books.events()
    }

    pub async fn connect(&self) -> Connection {
        Connection::to(self.address).await
    }

    pub async fn eventually_answers(&self, request: Request, wanted: impl Fn(&Answer) -> bool) -> Answer {
        eventually(PATIENCE, || async {
            let answer = request.clone().send().await;
            wanted(&answer).then_some(answer)
        })
        .await
    }

    pub async fn upstream_counts(&self, wanted: impl Fn(&maas_testkit::upstream::Counters) -> bool) {
        eventually(PATIENCE, || std::future::ready(wanted(&self.upstream.counters()).then_some(()))).await;
    }
}

pub fn message_body(model: &str, modifiers: &str) -> Value {
    json!({
        "model": model,
        "messages": [{"role": "user", "content": "one two three four five"}],
        "max_tokens": 1_000,
        "metadata": {"user_id": format!("sim:tokens-4{}", plus(modifiers))},
    })
}

pub fn response_body(model: &str, modifiers: &str) -> Value {
    json!({
        "model": model,
        "input": "one two three four five",
        "user": format!("sim:tokens-4{}", plus(modifiers)),
    })
}

fn plus(modifiers: &str) -> String {
    if modifiers.is_empty() { String::new() } else { format!("+{modifiers}") }
}

pub fn chat_body(model: &str, modifiers: &str) -> Value {
    let mut body = json!({
        "model": model,
        "messages": [{"role": "user", "content": "one two three four five"}],
        "max_tokens": 4,
    });
    if !modifiers.is_empty() {
        body["user"] = json!(format!("sim:{modifiers}"));
    }
    body
}

pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let copy = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &copy),
            false => drop(std::fs::copy(entry.path(), copy).unwrap()),
        }
    }
}

pub const SHORTLY: HumanDuration = HumanDuration::from_millis(50);

/// What five words in and four words out cost: 5 × 150 + 4 × 600 nano-units.
pub const COST_OF_FIVE_AND_FOUR: i64 = 3_150;

/// Stands before an upstream and counts the connections it gets.
pub async fn counting_relay(upstream: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut server = TcpStream::connect(upstream).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (address, connections)
}

/// Stands before an upstream and holds back what follows `mark` in its answer until it is told.
pub async fn gated_relay(upstream: SocketAddr, mark: &'static str) -> (SocketAddr, Arc<Notify>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let gate = Arc::new(Notify::new());
    let opened = gate.clone();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(upstream).await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
        let mut answer = Vec::new();
        let mut passed = 0;
        while from_server.read_buf(&mut answer).await.unwrap_or(0) > 0 {
            let at = answer.windows(mark.len()).position(|window| window == mark.as_bytes());
            let free = at.unwrap_or(answer.len());
            if passed < free {
                to_client.write_all(&answer[passed..free]).await.unwrap();
                passed = free;
            }
            if at.is_some() {
                opened.notified().await;
                to_client.write_all(&answer[passed..]).await.unwrap();
                break;
            }
        }
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    });
    (address, gate)
}
