//! Clients that send one request after the other, and remember what they were told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use maas_tests::DataPlane;
use reqwest::{Method, Response};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::wishes::{Leaving, Wish};

/// Longer than any blow; a client that has waited for so long leaves.
const CLIENT_PATIENCE: Duration = Duration::from_secs(12);
/// Between two requests of a client: the machine has two cores, and blows are what is tested, not load.
const PAUSE: Duration = Duration::from_millis(12);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(60);

/// What one client knows of one of its requests.
#[derive(Debug, Clone)]
pub struct Told {
    pub request_id: String,
    pub wish: Wish,
    /// None: no head of an answer came.
    pub status: Option<u16>,
    /// Of an error that came as the whole answer.
    pub error_code: String,
    pub body_bytes: usize,
    /// The body came to its end.
    pub whole: bool,
}

impl Told {
    /// The answer that was asked for, all of it.
    pub fn is_full_success(&self) -> bool {
        self.wish.well_behaved && self.wish.leaves.is_none() && self.whole && self.status == Some(200)
    }
}

pub struct Traffic {
    stopping: Arc<AtomicBool>,
    clients: JoinSet<Vec<Told>>,
}

impl Traffic {
    /// `per_proxy` clients at each of the proxies; the seed decides what they ask for, the name makes their requests known.
    pub fn start(name: &str, seed: u64, proxies: &[DataPlane], per_proxy: usize, wish: fn(&mut Rng) -> Wish) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for (number, proxy) in proxies.iter().flat_map(|proxy| vec![proxy; per_proxy]).enumerate() {
            let rng = Rng::with_seed(seed.wrapping_mul(1_000).wrapping_add(number as u64));
            let client = Client { proxy: proxy.clone(), name: format!("{name}-{seed}-{number}"), rng, wish };
            clients.spawn(client.run(stopping.clone()));
        }
        Self { stopping, clients }
    }

    /// Lets every client end what it has begun.
    pub async fn stop(self) -> Vec<Told> {
        self.stopping.store(true, Ordering::Relaxed);
        self.clients.join_all().await.into_iter().flatten().collect()
    }
}

struct Client {
    proxy: DataPlane,
    name: String,
    rng: Rng,
    wish: fn(&mut Rng) -> Wish,
}

impl Client {
    async fn run(mut self, stopping: Arc<AtomicBool>) -> Vec<Told> {
        let mut told = Vec::new();
        while !stopping.load(Ordering::Relaxed) {
            let wish = (self.wish)(&mut self.rng);
            let request_id = format!("{}-{}", self.name, told.len());
            let answer = ask(&self.proxy, &request_id, wish).await;
            sleep(if answer.status == Some(200) { PAUSE } else { PAUSE_AFTER_FAILURE }).await;
            told.push(answer);
        }
        told
    }
}

async fn ask(proxy: &DataPlane, request_id: &str, wish: Wish) -> Told {
    let mut told = Told {
        request_id: request_id.to_owned(),
        status: None,
        error_code: String::new(),
        body_bytes: 0,
        whole: false,
        wish: wish.clone(),
    };
    let request = proxy.request(Method::POST, wish.path).header("x-request-id", request_id);
    let request = request.header("anthropic-version", "2023-06-01").json(&wish.body).send();
    let patience = match wish.leaves {
        Some(Leaving::Waiting(patience)) => patience,
        _ => CLIENT_PATIENCE,
    };
    if let Ok(Ok(response)) = timeout(patience, request).await {
        told.status = Some(response.status().as_u16());
        let named = response.headers().get("x-request-id").map(|id| id.as_bytes().to_vec());
        assert_eq!(named.as_deref(), Some(request_id.as_bytes()), "the answer names its request");
        // An answer that stands still is left as well.
        let _ = timeout(CLIENT_PATIENCE, read(response, &mut told)).await;
    }
    told
}

async fn read(mut response: Response, told: &mut Told) {
    let mut body = Vec::new();
    let most = match told.wish.leaves {
        Some(Leaving::AfterPieces(pieces)) => pieces,
        _ => usize::MAX,
    };
    for _ in 0..most {
        match response.chunk().await {
            Ok(Some(piece)) => {
                told.body_bytes += piece.len();
                body.extend_from_slice(&piece);
            }
            Ok(None) => {
                told.whole = true;
                break;
            }
            Err(_) => break,
        }
    }
    if told.status != Some(200)
        && let Ok(body) = serde_json::from_slice::<Value>(&body)
    {
        let code = body["error"]["code"].as_str().or(body["error"]["type"].as_str());
        told.error_code = code.unwrap_or_default().to_owned();
    } else if error_in_stream(&body) {
        told.whole = false;
    }
}

/// An error that came as a frame is no whole answer.
fn error_in_stream(body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body);
    body.contains("data: {\"error\"") || body.contains("event: error")
}
