//! Bus and database away: known keys go on, unknown ones are told to come back, nothing is lost.

use std::time::Duration;

use maas_keys::PlainKey;
use maas_testkit::{Postgres, eventually};
use maas_tests::{Cluster, ClusterProxy, PATIENCE, wait_for_rows};

/// The services reconnect on their own, with pauses between attempts.
const RECOVERS_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn known_keys_go_on_while_bus_and_database_are_down() {
    let world = Cluster::start_on(Postgres::start().await.unwrap()).await.unwrap();
    let api = world.api();
    let (key_id, secret) = api.create_key("known").await;
    let clients = [world.data_plane(ClusterProxy::First, &secret), world.data_plane(ClusterProxy::Second, &secret)];
    for client in &clients {
        client.chat("sim-chat").await.expect(200);
    }
    let unknown = PlainKey::generate().unwrap();
    let answer = clients[0].with_key(unknown.expose()).chat("sim-chat").await;
    assert_eq!(answer.api_error(401), "invalid_api_key", "with everything up an unknown key is just that");
    wait_for_rows(&api, &key_id, 2, PATIENCE).await;

    world.nats.stop().await.unwrap();
    world.postgres.stop().await.unwrap();
    for client in &clients {
        for _ in 0..5 {
            client.chat("sim-chat").await.expect(200);
        }
        let unknown = PlainKey::generate().unwrap();
        let answer = client.with_key(unknown.expose()).chat("sim-chat").await;
        assert_eq!(answer.api_error(503), "key_state_unavailable");
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds >= 1), "{answer:?}");
        // What cannot be a key needs nobody's opinion.
        assert_eq!(client.with_key("sk-maas-nonsense").chat("sim-chat").await.api_error(401), "invalid_api_key");
    }
    let answer = api.get("/api/v1/keys").await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(!answer.header("retry-after").is_empty());

    world.postgres.restart().await.unwrap();
    world.nats.restart().await.unwrap();
    eventually(RECOVERS_WITHIN, || async { (api.get("/api/v1/keys").await.status == 200).then_some(()) }).await;
    let path = format!("/api/v1/usage/requests?key_id={key_id}");
    eventually(RECOVERS_WITHIN, || async { (api.get(&path).await.status == 200).then_some(()) }).await;
    wait_for_rows(&api, &key_id, 2 + 10, RECOVERS_WITHIN).await;
    let (_, fresh) = api.create_key("after").await;
    for client in &clients {
        let client = client.with_key(&fresh);
        eventually(RECOVERS_WITHIN, || async { (client.chat("sim-chat").await.status == 200).then_some(()) }).await;
    }
}
