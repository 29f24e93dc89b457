//! A key is given new secrets while it is in use, at both proxies.

use std::{
    sync::{Arc, RwLock},
    time::Duration,
};

use maas_tests::{Api, Cluster, ClusterProxy, DataPlane};
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

const REQUESTS_PER_SECOND: u32 = 200;
const ROTATIONS: u32 = 3;
const BETWEEN_ROTATIONS: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_rotation_under_load_fails_no_request() {
    let world = Cluster::start().await.unwrap();
    let api = world.api();
    let (key_id, first) = api.create_key("rotated").await;
    let secret = Arc::new(RwLock::new(first.clone()));
    let clients = [ClusterProxy::First, ClusterProxy::Second].map(|proxy| world.data_plane(proxy, ""));
    let load = tokio::spawn(keep_asking(clients.clone(), secret.clone(), BETWEEN_ROTATIONS * (ROTATIONS + 1)));

    let mut rotations = interval(BETWEEN_ROTATIONS);
    rotations.tick().await;
    for _ in 0..ROTATIONS {
        rotations.tick().await;
        let rotated = rotate(&api, &key_id).await;
        // Used from this moment on, at both proxies.
        *secret.write().unwrap() = rotated["secret"].as_str().unwrap().to_owned();
        assert_eq!((&rotated["confirmation"]["confirmed"], &rotated["confirmation"]["live"]), (&json!(2), &json!(2)));
    }
    let (asked, failures) = load.await.unwrap();
    println!("{asked} requests while the key was rotated {ROTATIONS} times");
    assert!(failures.is_empty(), "{} of {asked}: {:?}", failures.len(), failures.first());

    for client in &clients {
        assert_eq!(client.with_key(&first).chat("sim-chat").await.api_error(401), "invalid_api_key");
    }
    let finished = api.act(&format!("/api/v1/keys/{key_id}/rotation/finish")).await.json();
    assert_eq!((&finished["status"], &finished["revocation"]["confirmed"]), (&json!("active"), &json!(2)));
}

async fn rotate(api: &Api, key_id: &str) -> Value {
    api.post(&format!("/api/v1/keys/{key_id}/rotate"), &json!({"overlap": "1m"})).await.expect(200)
}

/// Asks both proxies in turn with the secret of the moment. How many requests there were, and what failed.
async fn keep_asking(clients: [DataPlane; 2], secret: Arc<RwLock<String>>, duration: Duration) -> (usize, Vec<String>) {
    let mut pace = interval(Duration::from_secs(1) / REQUESTS_PER_SECOND);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (started, mut requests) = (Instant::now(), JoinSet::new());
    for client in clients.iter().cycle() {
        pace.tick().await;
        if started.elapsed() >= duration {
            break;
        }
        let client = client.with_key(&secret.read().unwrap());
        requests.spawn(async move {
            let answer = client.chat("sim-chat").await;
            (answer.status != 200).then(|| format!("{} {}", answer.status, answer.text))
        });
    }
    let asked = requests.len();
    (asked, requests.join_all().await.into_iter().flatten().collect())
}
