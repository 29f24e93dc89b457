//! Who revokes a key learns how many proxies refuse it; what a proxy cannot be told, it asks for, and what nobody confirms
//! it does not believe for long.

use std::time::Duration;

use maas_testkit::{Signal, eventually};
use maas_tests::{
    Api, Cluster, ClusterOptions, ClusterProxy, DataPlane, Fault, Link, PATIENCE, Way, chat_body, simulated, streamed,
};
use serde_json::Value;
use tokio::time::Instant;

/// The promise for a proxy that the bus does not reach.
const BY_THE_SECOND_WAY: Duration = Duration::from_secs(5);

#[tokio::test]
async fn all_proxies_confirm_and_end_the_streams_of_a_revoked_key() {
    let world = Cluster::start().await.unwrap();
    let api = world.api();
    let (key_id, clients) = key_in_use(&world, &api).await;
    let body = streamed(simulated(chat_body("sim-chat"), "chunk-delay-100+tokens-10000"));
    let mut stream = clients[1].open_stream("/v1/chat/completions", &body).await;
    stream.read_some().await;

    let begun = Instant::now();
    let revocation = revoke(&api, &key_id).await;
    println!("revoked and confirmed after {:?}", begun.elapsed());
    assert_eq!((&revocation["confirmed"], &revocation["live"]), (&2.into(), &2.into()), "{revocation}");
    assert_eq!(revocation["pending"].as_array().unwrap().len(), 0);
    for client in &clients {
        assert_eq!(client.chat("sim-chat").await.api_error(401), "revoked_api_key");
    }
    let rest = stream.read_to_end().await;
    assert_eq!(rest.frames.last().unwrap()["error"]["code"], "revoked_api_key");
    eventually(PATIENCE, || async { (world.upstream.counters().open_streams == 0).then_some(()) }).await;
}

#[tokio::test]
async fn a_proxy_that_stands_still_is_named_with_its_time() {
    let mut world = Cluster::start().await.unwrap();
    let api = world.api();
    let (key_id, clients) = key_in_use(&world, &api).await;
    world.proxy_mut(ClusterProxy::Second).signal(Signal::Stop).unwrap();
    let revocation = revoke(&api, &key_id).await;
    assert_eq!(revocation["confirmed"], 1, "{revocation}");
    let pending = revocation["pending"].as_array().unwrap();
    assert_eq!(pending.len(), 1, "{revocation}");
    assert!(pending[0]["instance"].as_str().is_some_and(|instance| instance.len() == 32), "{revocation}");
    assert!(pending[0]["closes_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{revocation}");
    assert_eq!(clients[0].chat("sim-chat").await.api_error(401), "revoked_api_key");
    // It learns of it as soon as it goes on.
    world.proxy_mut(ClusterProxy::Second).signal(Signal::Continue).unwrap();
    wait_until_revoked(&clients[1], PATIENCE).await;
}

#[tokio::test]
async fn where_the_bus_swallows_everything_the_proxy_asks() {
    let options = ClusterOptions { links: true, ..ClusterOptions::default() };
    let world = Cluster::start_with(options).await.unwrap();
    let api = world.api();
    let (key_id, clients) = key_in_use(&world, &api).await;
    world.links.as_ref().unwrap().impose(Link::SecondProxyNats, Fault::BlackHole, Way::Both);
    let begun = Instant::now();
    let revocation = revoke(&api, &key_id).await;
    wait_until_revoked(&clients[1], BY_THE_SECOND_WAY).await;
    println!("refused by the second way after {:?}: {revocation}", begun.elapsed());
    assert!(begun.elapsed() < BY_THE_SECOND_WAY);
    assert_eq!(clients[0].chat("sim-chat").await.api_error(401), "revoked_api_key");
}

#[tokio::test]
async fn a_proxy_starts_from_its_copy_without_bus_and_owners() {
    let options = ClusterOptions { links: true, ..ClusterOptions::default() };
    let mut world = Cluster::start_with(options).await.unwrap();
    let api = world.api();
    let (_, clients) = key_in_use(&world, &api).await;
    world.proxy_mut(ClusterProxy::Second).stop(PATIENCE).await.unwrap();
    world.links.as_ref().unwrap().impose(Link::SecondProxyNats, Fault::Cut, Way::Both);
    world.key_management.kill().unwrap();
    world.auth.kill().unwrap();
    world.model_catalog.kill().unwrap();
    world.proxy_mut(ClusterProxy::Second).start_again().await.unwrap();
    clients[1].chat("sim-chat").await.expect(200);
}

/// A key that both proxies have served: its id, and a client of each proxy.
async fn key_in_use(world: &Cluster, api: &Api) -> (String, [DataPlane; 2]) {
    let (key_id, secret) = api.create_key("in use").await;
    let clients = [ClusterProxy::First, ClusterProxy::Second].map(|proxy| world.data_plane(proxy, &secret));
    for client in &clients {
        client.chat("sim-chat").await.expect(200);
    }
    (key_id, clients)
}

async fn revoke(api: &Api, key_id: &str) -> Value {
    api.act(&format!("/api/v1/keys/{key_id}/revoke")).await.expect(200)["revocation"].clone()
}

async fn wait_until_revoked(client: &DataPlane, within: Duration) {
    eventually(within, || async { (client.chat("sim-chat").await.status == 401).then_some(()) }).await;
}
