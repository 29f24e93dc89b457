//! Published usage that vanishes although the server has confirmed it: the platform says so, and closes the gap from the
//! proxies' journals. With the settings as they come, since the times are a promise: noticed within 10 s, closed within
//! 5 s more.

use std::time::Duration;

use maas_testkit::{Signal, eventually};
use maas_tests::{Api, Cluster, ClusterOptions, ClusterProxy, Program};
use tokio::time::{Instant, sleep, timeout};

use crate::arena::wait_until_known;
use crate::books::Books;
use crate::rollback::StoreCopy;
use crate::seed::Seed;
use crate::storm::Storm;
use crate::traffic::Traffic;
use crate::wishes::good_wish;

const CLIENTS_PER_PROXY: usize = 2;
const NOTICED_WITHIN: Duration = Duration::from_secs(10);
const CLOSED_WITHIN: Duration = Duration::from_secs(5);
/// For debug builds on a machine that does other things, too.
const ROOM: u32 = 3;
const POLL_INTERVAL: Duration = Duration::from_millis(100);
const LOST_MESSAGES: u64 = 20;
const RECONCILED_WITHIN: Duration = Duration::from_secs(60);
const GAP_METRIC: &str = "maas_usage_watermark_gap_events";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_that_vanishes_from_the_bus_is_noticed_and_sent_again() {
    let seed = Seed::from_environment();
    let options = ClusterOptions { second_usage_ingest: true, keep_served: true, ..Default::default() };
    let mut cluster = Cluster::start_with(options).await.unwrap();
    let (key_id, secret) = cluster.api().create_key("gaps").await;
    let proxies = [ClusterProxy::First, ClusterProxy::Second].map(|proxy| cluster.data_plane(proxy, &secret));
    wait_until_known(&proxies).await;
    let traffic = Traffic::start("gaps", seed.0, &proxies, CLIENTS_PER_PROXY, good_wish);

    signal_ingests(&mut cluster, Signal::Stop);
    let copy = StoreCopy::take(&cluster.nats).await.unwrap();
    let confirmed = wait_for_messages(&cluster).await;
    let told = traffic.stop().await;
    copy.put_back(&cluster.nats).await.unwrap();
    let lost_at = Instant::now();
    signal_ingests(&mut cluster, Signal::Continue);
    println!("{confirmed} confirmed messages are gone");

    let noticed = wait_for_gap(&cluster, lost_at).await;
    println!("{noticed:?}");
    let bound = CLOSED_WITHIN * ROOM;
    let closed = timeout(bound, wait_until_closed(&cluster)).await;
    closed.unwrap_or_else(|_| panic!("the gap is not closed {bound:?} after it was noticed"));
    println!("closed {:?} after the loss", lost_at.elapsed());
    Books::of(&cluster, &key_id, &told).must_be_right(RECONCILED_WITHIN).await;
}

/// After the loss.
#[derive(Debug, Default)]
struct Noticed {
    in_reconciliation: Option<Duration>,
    in_metrics: Option<Duration>,
}

/// Until both have told it, each at its own time.
async fn wait_for_gap(cluster: &Cluster, lost_at: Instant) -> Noticed {
    let mut noticed = Noticed::default();
    let looking = timeout(NOTICED_WITHIN * ROOM, async {
        while noticed.in_reconciliation.is_none() || noticed.in_metrics.is_none() {
            if noticed.in_reconciliation.is_none() && has_gap(cluster).await {
                noticed.in_reconciliation = Some(lost_at.elapsed());
            }
            if noticed.in_metrics.is_none() && gap_events(cluster).await > 0 {
                noticed.in_metrics = Some(lost_at.elapsed());
            }
            sleep(POLL_INTERVAL).await;
        }
    });
    let looked = looking.await;
    assert!(looked.is_ok(), "not noticed within {:?}: {noticed:?}", NOTICED_WITHIN * ROOM);
    noticed
}

async fn wait_until_closed(cluster: &Cluster) {
    while has_gap(cluster).await || gap_events(cluster).await > 0 {
        sleep(POLL_INTERVAL).await;
    }
}

async fn has_gap(cluster: &Cluster) -> bool {
    let reconciliation = cluster.api().get("/api/v1/usage/reconciliation?missing=true").await.expect(200);
    reconciliation["data"].as_array().into_iter().flatten().any(|source| source["has_gap"] == true)
}

/// What the replica that counts most says.
async fn gap_events(cluster: &Cluster) -> u64 {
    let mut most = 0;
    for program in [&cluster.usage_ingest].into_iter().chain(&cluster.second_usage_ingest) {
        most = most.max(gauge(program, GAP_METRIC).await);
    }
    most
}

async fn gauge(program: &Program, name: &str) -> u64 {
    let metrics = Api::new(&program.operations_url(), "").get("/metrics").await.text;
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in\n{metrics}"))
}

/// The server has taken some more; how many.
async fn wait_for_messages(cluster: &Cluster) -> u64 {
    let storm = Storm::connect(&cluster.nats).await.unwrap();
    let before = storm.last_sequence().await.unwrap();
    eventually(RECONCILED_WITHIN, || async {
        let confirmed = storm.last_sequence().await.ok()?.saturating_sub(before);
        (confirmed >= LOST_MESSAGES).then_some(confirmed)
    })
    .await
}

fn signal_ingests(cluster: &mut Cluster, signal: Signal) {
    for program in [&mut cluster.usage_ingest].into_iter().chain(&mut cluster.second_usage_ingest) {
        program.signal(signal).unwrap();
    }
}
