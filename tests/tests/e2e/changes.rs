//! Changes of keys and models reach every proxy of a cluster over the bus, and nothing that must stay secret is kept.

use std::path::Path;
use std::time::Duration;

use maas_runtime::metrics::undeclared;
use maas_testkit::eventually;
use maas_tests::{
    Api, Cluster, ClusterProxy, DataPlane, PATIENCE, chat_body, rows_of, simulated, summary_of, wait_for_rows,
};
use serde_json::json;
use tokio::time::Instant;

/// The promise is a second at the 99th percentile; the rest is for a loaded machine.
const TAKES_EFFECT_WITHIN: Duration = Duration::from_secs(5);
const CANARY: &str = "canary-7f3b-in-a-prompt";

#[tokio::test]
async fn changes_reach_both_proxies_and_secrets_stay_out_of_the_books() {
    let mut world = Cluster::start().await.unwrap();
    let api = world.api();

    // A key works on both proxies at once, wherever its news is on the bus: an unknown key is asked for.
    let (key_id, secret) = api.create_key("both").await;
    let (first, second) = both(&world, &secret);
    let (one, two) = tokio::join!(first.chat("sim-chat"), second.chat("sim-chat"));
    one.expect(200);
    two.expect(200);
    let rows = wait_for_rows(&api, &key_id, 2, PATIENCE).await;
    assert!(rows.iter().all(|row| row.outcome == "success" && row.cost["amount"] != "0.000000000"), "{rows:#?}");

    api.act(&format!("/api/v1/keys/{key_id}/block")).await.expect(200);
    wait_for_refusal(&[&first, &second], "sim-chat", 403, "key_blocked").await;
    api.act(&format!("/api/v1/keys/{key_id}/unblock")).await.expect(200);
    wait_for_service(&[&first, &second], "sim-chat").await;

    api.enable_model("sim/llama-3.1-8b", false).await;
    wait_for_refusal(&[&first, &second], "sim/llama-3.1-8b", 404, "model_not_found").await;
    assert!(!first.model_names().await.contains(&"sim/llama-3.1-8b".to_owned()));
    api.enable_model("sim/llama-3.1-8b", true).await;
    wait_for_service(&[&first, &second], "sim/llama-3.1-8b").await;

    // (5 input × 2 + 7 output × 4) / 1,000,000
    api.set_price("sim-chat", "2", "4").await;
    for client in [&first, &second] {
        eventually(TAKES_EFFECT_WITHIN, || async {
            let answer = client.chat_with("sim-chat", "tokens-7").await;
            answer.header("x-maas-cost").contains("0.000038000").then_some(())
        })
        .await;
    }

    let revoked_at = Instant::now();
    api.revoke_key(&key_id).await;
    wait_for_refusal(&[&first, &second], "sim-chat", 401, "revoked_api_key").await;
    println!("revoked on both proxies after {:?}", revoked_at.elapsed());

    // Books and upstream agree at the end.
    let completed = world.upstream.counters().completed;
    let count = usize::try_from(completed).unwrap() - usize::try_from(list_calls(&world)).unwrap();
    wait_for_rows(&api, &key_id, count, PATIENCE).await;
    assert_eq!(summary_of(&api, &key_id).await["totals"]["requests"], json!(count));

    for program in world.programs() {
        let operations = Api::new(&program.operations_url(), "");
        assert_eq!(operations.get("/livez").await.status, 200, "{}", program.name);
        let metrics = operations.get("/metrics").await;
        assert_eq!(undeclared(&metrics.text), Vec::<String>::new(), "{}", program.name);
        assert!(metrics.text.contains("maas_build_info"), "{}", program.name);
    }
    secrets_stay_out(&world, &api.create_key("canary").await).await;
    for (name, exit_code) in world.stop().await.unwrap() {
        assert_eq!(exit_code, Some(0), "{name}");
    }
    for program in world.programs() {
        assert!(!program.log().contains("panicked at"), "{}", program.log());
    }
}

/// Completed calls that read the model list are no inference.
fn list_calls(world: &Cluster) -> u64 {
    world.upstream.counters().requests_of(maas_testkit::upstream::Operation::ListModels)
}

fn both(world: &Cluster, secret: &str) -> (DataPlane, DataPlane) {
    (world.data_plane(ClusterProxy::First, secret), world.data_plane(ClusterProxy::Second, secret))
}

/// Until every client is refused like this; meanwhile it may still be served, and nothing else.
async fn wait_for_refusal(clients: &[&DataPlane], model: &str, status: u16, code: &str) {
    for client in clients {
        eventually(TAKES_EFFECT_WITHIN, || async {
            let answer = client.chat(model).await;
            if answer.status == 200 {
                return None;
            }
            assert_eq!(answer.api_error(status), code);
            Some(())
        })
        .await;
    }
}

async fn wait_for_service(clients: &[&DataPlane], model: &str) {
    for client in clients {
        eventually(TAKES_EFFECT_WITHIN, || async { (client.chat(model).await.status == 200).then_some(()) }).await;
    }
}

/// Prompts, whole keys and the upstream's credential are in no log, journal or table.
async fn secrets_stay_out(world: &Cluster, (key_id, secret): &(String, String)) {
    let client = world.data_plane(ClusterProxy::First, secret);
    let mut body = simulated(chat_body("sim-chat"), "tokens-3");
    body["messages"][0]["content"] = json!(CANARY);
    client.post("/v1/chat/completions", &body).await.expect(200);
    client.post("/v1/chat/completions", &simulated(body, "error-internal")).await;
    wait_for_rows(&world.api(), key_id, 2, PATIENCE).await;
    assert_eq!(rows_of(&world.api(), key_id).await.len(), 2);

    let dump = world
        .database
        .execute(
            "SELECT query_to_xml(format('SELECT * FROM %I.%I', schemaname, tablename), true, false, '') \
             FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
        )
        .unwrap();
    assert!(dump.contains("sim-chat"), "the dump shows the rows");
    let secret_part = secret.rsplit('_').next().expect("a key has two parts");
    for canary in [CANARY, secret_part, world.upstream_key()] {
        assert!(!dump.contains(canary), "{canary} is in the database");
        for program in world.programs() {
            assert!(!program.log().contains(canary), "{canary} is in the log of {}", program.name);
        }
        assert_eq!(files_with(world.folder(), canary), Vec::<String>::new(), "{canary}");
        assert_eq!(files_with(&world.nats.store_dir(), canary), Vec::<String>::new(), "{canary}");
    }
}

/// The files below `folder` that hold `text`.
pub fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if contains(&std::fs::read(&path).unwrap_or_default(), text.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
