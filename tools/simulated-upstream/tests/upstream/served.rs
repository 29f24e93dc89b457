//! Counting each request apart, by the id that it came with.

use maas_simulated_upstream::{Options, ServedRequest, SimulatedUpstream};

use crate::support::{call_with, chat_body};

#[tokio::test]
async fn a_request_that_names_itself_is_counted_apart_each_time_it_comes() {
    let upstream = SimulatedUpstream::start_with_options(Options { keep_served: true, ..Options::default() }).unwrap();
    let named = "x-request-id: abc-1\r\n";
    let three_tokens = chat_body("sim-chat+tokens-3", "");
    call_with(&upstream, "POST", "/v1/chat/completions", named, &three_tokens).await;
    call_with(&upstream, "POST", "/v1/chat/completions", named, &chat_body("sim-chat+error-internal", "")).await;
    call_with(&upstream, "POST", "/v1/chat/completions", "", &three_tokens).await;
    let served = upstream.counters().served;
    let expected = [
        ServedRequest { input_tokens: 5, output_tokens: 3, completed: true },
        ServedRequest { input_tokens: 0, output_tokens: 0, completed: false },
    ];
    assert_eq!(served.into_iter().collect::<Vec<_>>(), [("abc-1".to_owned(), expected.to_vec())]);
}

#[tokio::test]
async fn nothing_is_counted_apart_unless_it_is_asked_for() {
    let upstream = SimulatedUpstream::start().unwrap();
    let named = "x-request-id: abc-1\r\n";
    call_with(&upstream, "POST", "/v1/chat/completions", named, &chat_body("sim-chat", "")).await;
    assert!(upstream.counters().served.is_empty());
}
