//! A client that leaves takes its request along: the upstream is told, and what was produced is booked.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use maas_testkit::upstream::Operation;
use maas_testkit::{SimulatedUpstream, eventually};
use maas_tests::{PATIENCE, Standalone, StandaloneOptions, chat_body, simulated, streamed, wait_for_rows};

/// The promise is 100 ms; a debug build beside other tests gets more, a proxy that does not notice takes seconds.
const NOTICED_WITHIN_MS: u64 = 1_000;

#[tokio::test]
async fn a_client_that_leaves_cancels_the_upstream_and_is_billed_for_what_was_produced() {
    let upstream = SimulatedUpstream::start().unwrap();
    let options = StandaloneOptions { upstreams: vec![upstream.base_url()], ..Default::default() };
    let world = Standalone::start_with(&options).await.unwrap();
    let (api, client) = (world.api(), world.data_plane());
    let (key_id, secret) = api.create_key("leaving").await;
    let client = client.with_key(&secret);

    // In the middle of a stream.
    let endless = streamed(simulated(chat_body("sim-chat"), "tokens-5000+chunk-delay-20"));
    let mut stream = client.open_stream("/v1/chat/completions", &endless).await;
    stream.read_some().await;
    let left_at = unix_ms();
    drop(stream);
    let noticed = wait_for_cancellation(&upstream, 1).await.saturating_sub(left_at);
    println!("streamed: the upstream noticed after {noticed} ms");
    assert!(noticed <= NOTICED_WITHIN_MS);

    // While a whole answer is being worked on.
    let slow = simulated(chat_body("sim-chat"), "delay-30000");
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.try_post("/v1/chat/completions", &slow).await.map(|answer| answer.status) }
    });
    eventually(PATIENCE, || async { (upstream.counters().requests_of(Operation::ChatCompletions) == 2).then_some(()) })
        .await;
    let left_at = unix_ms();
    waiting.abort();
    let noticed = wait_for_cancellation(&upstream, 2).await.saturating_sub(left_at);
    println!("not streamed: the upstream noticed after {noticed} ms");
    assert!(noticed <= NOTICED_WITHIN_MS);

    let rows = wait_for_rows(&api, &key_id, 2, PATIENCE).await;
    for row in &rows {
        assert_eq!(row.outcome, "client_cancelled", "{row:?}");
        assert!(row.quality != "exact", "{row:?}");
    }
    let (whole, streamed) = (&rows[0], &rows[1]);
    assert!(streamed.stream && streamed.output_tokens >= 1, "{streamed:?}");
    assert_eq!((whole.stream, whole.status, whole.output_tokens), (false, 0, 0), "{whole:?}");

    // The platform and the connection pool are none the worse for it.
    client.chat("sim-chat").await.expect(200);
    wait_for_rows(&api, &key_id, 3, Duration::from_secs(10)).await;
}

/// When the upstream noticed that its client had gone.
async fn wait_for_cancellation(upstream: &SimulatedUpstream, count: usize) -> u64 {
    eventually(PATIENCE, || async {
        let counters = upstream.counters();
        (counters.cancellations.len() == count).then(|| counters.cancellations[count - 1].noticed_unix_ms)
    })
    .await
}

#[expect(clippy::disallowed_methods, reason = "compared with the clock of the programs under test")]
fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}
