//! Bus and database away for a while, with traffic: whoever has a known key notices nothing, and nothing is lost.

use std::time::Duration;

use maas_testkit::Postgres;
use maas_tests::{Cluster, ClusterOptions, ClusterProxy};
use tokio::time::sleep;

use crate::arena::wait_until_known;
use crate::books::Books;
use crate::seed::{Seed, outage};
use crate::traffic::Traffic;
use crate::wishes::good_wish;

const CLIENTS_PER_PROXY: usize = 2;
const RECONCILED_WITHIN: Duration = Duration::from_secs(90);
/// Traffic before, and after.
const PEACE: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_bus_and_database_fails_no_request_and_loses_no_usage() {
    let (seed, outage) = (Seed::from_environment(), outage());
    let postgres = Some(Postgres::start().await.unwrap());
    let options = ClusterOptions { postgres, second_usage_ingest: true, keep_served: true, ..Default::default() };
    let cluster = Cluster::start_with(options).await.unwrap();
    let (key_id, secret) = cluster.api().create_key("outage").await;
    let proxies = [ClusterProxy::First, ClusterProxy::Second].map(|proxy| cluster.data_plane(proxy, &secret));
    wait_until_known(&proxies).await;
    let traffic = Traffic::start("outage", seed.0, &proxies, CLIENTS_PER_PROXY, good_wish);
    sleep(PEACE).await;

    cluster.nats.stop().await.unwrap();
    sleep(outage / 3).await;
    cluster.postgres.stop().await.unwrap();
    sleep(outage / 3).await;
    cluster.postgres.restart().await.unwrap();
    sleep(outage / 3).await;
    cluster.nats.restart().await.unwrap();
    sleep(PEACE).await;

    let told = traffic.stop().await;
    for told in &told {
        assert!(told.is_full_success(), "a known key's request failed: {told:?}");
    }
    Books::of(&cluster, &key_id, &told).must_be_right(RECONCILED_WITHIN).await;
}
