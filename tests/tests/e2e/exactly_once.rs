//! Usage is stored exactly once through kills and restarts of everything between the proxy and the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use maas_testkit::upstream::Operation;
use maas_testkit::{Postgres, eventually};
use maas_tests::{Cluster, ClusterProxy, DataPlane, UsageRow, chat_body, rows_of, simulated, streamed, summary_of};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const SENDERS_PER_PROXY: u64 = 2;
/// Requests that must come through between two blows, so that each blow falls into traffic.
const BETWEEN_BLOWS: u64 = 30;
const INPUT_TOKENS: u64 = 5;
const OUTPUT_TOKENS: u64 = 4;
/// Redelivery, reconnection and replay each have pauses of their own.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_admitted_request_is_stored_once_whoever_is_killed() {
    let mut world = Cluster::start_on(Postgres::start().await.unwrap()).await.unwrap();
    let api = world.api();
    let (key_id, secret) = api.create_key("traffic").await;
    let clients = [world.data_plane(ClusterProxy::First, &secret), world.data_plane(ClusterProxy::Second, &secret)];
    let traffic = Traffic::start(&clients);
    traffic.more().await;

    world.usage_ingest.kill().unwrap();
    traffic.more().await;
    world.usage_ingest.start_again().await.unwrap();
    traffic.more().await;

    world.nats.kill().unwrap();
    traffic.more().await;
    world.nats.restart().await.unwrap();
    traffic.more().await;

    world.postgres.restart().await.unwrap();
    traffic.more().await;

    // A stream is open on the proxy that dies.
    let endless = streamed(simulated(chat_body("sim-chat"), "tokens-5000+chunk-delay-20"));
    let mut stream = clients[0].open_stream("/v1/chat/completions", &endless).await;
    stream.read_some().await;
    world.proxy_mut(ClusterProxy::First).kill().unwrap();
    assert!(stream.try_read_to_end().await.is_none_or(|answer| !answer.done), "a cut is no clean end");
    world.proxy_mut(ClusterProxy::First).start_again().await.unwrap();
    traffic.more().await;
    let completed = traffic.stop().await;

    let reached = world.upstream.counters().requests_of(Operation::ChatCompletions);
    let rows = settled_rows(&world, &key_id, reached).await;
    check_rows(&rows, completed, reached);
    check_books(&world, &key_id, &rows).await;
}

/// Clients that send one request after the other.
struct Traffic {
    completed: Arc<AtomicU64>,
    stopping: Arc<AtomicBool>,
    senders: JoinSet<()>,
}

impl Traffic {
    fn start(clients: &[DataPlane; 2]) -> Self {
        let (completed, stopping) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut senders = JoinSet::new();
        for client in clients {
            for sender in 0..SENDERS_PER_PROXY {
                senders.spawn(send(client.clone(), sender % 2 == 1, completed.clone(), stopping.clone()));
            }
        }
        Self { completed, stopping, senders }
    }

    /// Returns once some more requests have come through.
    async fn more(&self) {
        let target = self.completed.load(Ordering::Relaxed) + BETWEEN_BLOWS;
        eventually(SETTLES_WITHIN, || async { (self.completed.load(Ordering::Relaxed) >= target).then_some(()) }).await;
    }

    /// How many whole answers the clients have got.
    async fn stop(self) -> u64 {
        self.stopping.store(true, Ordering::Relaxed);
        for ended in self.senders.join_all().await {
            ended
        }
        self.completed.load(Ordering::Relaxed)
    }
}

async fn send(client: DataPlane, stream: bool, completed: Arc<AtomicU64>, stopping: Arc<AtomicBool>) {
    let body = simulated(chat_body("sim-chat"), &format!("tokens-{OUTPUT_TOKENS}"));
    let body = if stream { streamed(body) } else { body };
    while !stopping.load(Ordering::Relaxed) {
        match client.try_post("/v1/chat/completions", &body).await {
            Ok(answer) => {
                assert_eq!(answer.status, 200, "{}", answer.text);
                assert!(!stream || answer.text.trim_end().ends_with("[DONE]"), "{}", answer.text);
                completed.fetch_add(1, Ordering::Relaxed);
            }
            // The proxy was killed and is on its way back; no need to hammer its port.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// All rows, once there are as many as requests have reached the upstream. More are possible: see [`check_rows`].
async fn settled_rows(world: &Cluster, key_id: &str, reached: u64) -> Vec<UsageRow> {
    let (api, least) = (world.api(), usize::try_from(reached).unwrap());
    eventually(SETTLES_WITHIN, || async {
        let page = api.get("/api/v1/usage/requests?limit=1").await;
        if page.status != 200 {
            return None;
        }
        let rows = rows_of(&api, key_id).await;
        (rows.len() >= least).then_some(rows)
    })
    .await
}

fn check_rows(rows: &[UsageRow], completed: u64, reached: u64) {
    let count = |wanted: &dyn Fn(&UsageRow) -> bool| rows.iter().filter(|row| wanted(row)).count() as u64;
    let succeeded = count(&|row| row.outcome == "success");
    let interrupted = count(&|row| row.outcome == "interrupted");
    println!("{reached} requests upstream, {} rows: {succeeded} succeeded, {interrupted} interrupted", rows.len());
    for row in rows.iter().filter(|row| row.outcome == "success") {
        assert_eq!((row.input_tokens, row.output_tokens), (INPUT_TOKENS, OUTPUT_TOKENS), "{row:?}");
        assert_eq!(row.quality, "exact", "{row:?}");
    }
    assert_eq!(succeeded + interrupted, rows.len() as u64, "{rows:#?}");
    // What a client has got is booked; a request may also have been settled when its proxy died before the answer left.
    let in_flight = SENDERS_PER_PROXY + 1;
    assert!(succeeded >= completed && succeeded <= completed + in_flight, "{succeeded} of {completed}");
    assert!((1..=in_flight).contains(&interrupted), "the open stream was interrupted: {interrupted}");
    // Admitted and on record, but the proxy died before the upstream was called: booked with no tokens.
    assert!(rows.len() as u64 <= reached + in_flight, "{} rows for {reached} requests", rows.len());
}

async fn check_books(world: &Cluster, key_id: &str, rows: &[UsageRow]) {
    let counts = "SELECT count(*) || ' ' || count(DISTINCT id) FROM usage_ingest.usage_events";
    let expected = format!("{0} {0}", rows.len());
    assert_eq!(world.database.execute(counts).unwrap(), expected, "events and distinct ids");
    let quarantined = world.database.execute("SELECT count(*) FROM usage_ingest.usage_quarantine").unwrap();
    assert_eq!(quarantined, "0");

    let summary = summary_of(&world.api(), key_id).await;
    let totals: &Value = &summary["totals"];
    let sum = |field: fn(&UsageRow) -> u64| json!(rows.iter().map(field).sum::<u64>());
    assert_eq!(totals["requests"], json!(rows.len()), "{summary}");
    assert_eq!(totals["input_tokens"], sum(|row| row.input_tokens), "{summary}");
    assert_eq!(totals["output_tokens"], sum(|row| row.output_tokens), "{summary}");
}
