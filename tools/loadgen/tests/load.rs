//! The load generator against the simulated upstream: both must have counted the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use maas_loadgen::{Limit, Load, run};
use maas_simulated_upstream::{Behaviour, SimulatedUpstream};

fn chat_load(upstream: &SimulatedUpstream, stream: bool) -> Load {
    Load {
        target: format!("{}/chat/completions", upstream.base_url()).parse().unwrap(),
        method: "POST".to_owned(),
        headers: vec![("authorization".to_owned(), "Bearer key".to_owned())],
        body: format!(r#"{{"model":"sim-chat","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#),
        connections: 4,
        limit: Limit::Requests(200),
        stream,
        rate: None,
        timeout: Duration::from_secs(10),
        measured_processes: Vec::new(),
    }
}

#[tokio::test]
async fn closed_loop_sends_the_wanted_number_of_requests() {
    let upstream = SimulatedUpstream::start().unwrap();
    let load = Load { measured_processes: vec![std::process::id()], ..chat_load(&upstream, false) };
    let report = run(load).await.unwrap();
    assert_eq!((report.requests, report.errors), (200, 0), "{report:?}");
    assert_eq!(upstream.counters().completed, 200);
    assert!(report.p50_us > 0 && report.p50_us <= report.p99_us && report.p99_us <= report.max_us);
    assert!(report.bytes > 200 * 900);
    assert!(report.processes.unwrap().rss_kb > 0);
}

#[tokio::test]
async fn streams_are_counted_frame_by_frame() {
    let upstream = SimulatedUpstream::start_with(Behaviour { output_tokens: 10, ..Behaviour::default() }).unwrap();
    let report = run(chat_load(&upstream, true)).await.unwrap();
    assert_eq!((report.requests, report.errors), (200, 0), "{report:?}");
    // Role, ten words, finish reason, [DONE].
    assert_eq!(report.stream.unwrap().chunks, 200 * 13);
    assert_eq!(upstream.counters().output_tokens, 2_000);
}

#[tokio::test]
async fn open_loop_keeps_its_rate() {
    let upstream = SimulatedUpstream::start().unwrap();
    let load = Load { limit: Limit::Requests(50), rate: Some(200.0), ..chat_load(&upstream, false) };
    let report = run(load).await.unwrap();
    assert_eq!(report.requests, 50);
    // The last of fifty starts is due after 245 ms.
    assert!(report.seconds >= 0.245, "{report:?}");
}

#[tokio::test]
async fn load_for_a_time_ends() {
    let upstream = SimulatedUpstream::start().unwrap();
    let load = Load { limit: Limit::Time(Duration::from_millis(100)), ..chat_load(&upstream, false) };
    let report = run(load).await.unwrap();
    assert!(report.seconds >= 0.1 && report.requests > 0);
}

#[tokio::test]
async fn refusals_and_cuts_are_errors() {
    let upstream = SimulatedUpstream::start().unwrap();
    for modifier in ["error-internal", "fault-cut", "error-disconnect"] {
        let load = chat_load(&upstream, true);
        let body = load.body.replace("sim-chat", &format!("sim-chat+{modifier}"));
        let report = run(Load { body, limit: Limit::Requests(5), ..load }).await.unwrap();
        assert_eq!((report.requests, report.errors), (0, 5), "{modifier}");
        assert!(report.first_error.is_some());
    }
}

#[tokio::test]
async fn a_stalled_answer_times_out() {
    let upstream = SimulatedUpstream::start().unwrap();
    let load = chat_load(&upstream, true);
    let body = load.body.replace("sim-chat", "sim-chat+fault-stall");
    let timeout = Duration::from_millis(50);
    let report = run(Load { body, timeout, limit: Limit::Requests(1), ..load }).await.unwrap();
    assert_eq!(report.errors, 1);
}
