//! What the clients ask for, from the seed alone.

use std::time::Duration;

use fastrand::Rng;
use maas_tests::{chat_body, simulated, streamed, streamed_with_usage};
use serde_json::{Value, json};

const MODEL: &str = "sim-chat";

/// One request and what its client does with the answer.
#[derive(Debug, Clone)]
pub struct Wish {
    pub path: &'static str,
    pub body: Value,
    /// The upstream gives the whole answer when nothing is hit.
    pub well_behaved: bool,
    pub leaves: Option<Leaving>,
}

/// When a client goes away without a word.
#[derive(Debug, Clone, Copy)]
pub enum Leaving {
    /// While it waits for the head of the answer.
    Waiting(Duration),
    /// Having read so many pieces of the body.
    AfterPieces(usize),
}

/// Everything that the platform has to count: whole and streamed, native and translated, left and broken off.
pub fn any_wish(rng: &mut Rng) -> Wish {
    match rng.u8(..100) {
        0..76 => good_wish(rng),
        76..84 => Wish { leaves: Some(Leaving::AfterPieces(rng.usize(1..12))), ..long_stream(rng) },
        84..88 => {
            let body = simulated(chat_body(MODEL), "delay-400");
            let patience = Duration::from_millis(rng.u64(5..300));
            Wish { leaves: Some(Leaving::Waiting(patience)), ..chat(body) }
        }
        88..94 => long_stream(rng),
        94..96 => bad(simulated(chat_body(MODEL), "error-internal")),
        96..97 => bad(simulated(chat_body(MODEL), "error-bad-request")),
        _ => {
            let cut = format!("tokens-20+fault-cut+fault-after-{}", rng.u8(1..15));
            bad(streamed(simulated(chat_body(MODEL), &cut)))
        }
    }
}

/// A short request that nothing but a blow can spoil.
pub fn good_wish(rng: &mut Rng) -> Wish {
    let modifiers = format!("tokens-{}", rng.u64(1..60));
    let words = vec!["word"; rng.usize(1..40)].join(" ");
    match rng.u8(..10) {
        0..3 => chat(simulated(chat_body(MODEL), &modifiers)),
        3..6 => chat(streamed(simulated(chat_body(MODEL), &modifiers))),
        6 => chat(streamed_with_usage(simulated(chat_body(MODEL), &modifiers))),
        7 => Wish { path: "/v1/embeddings", ..chat(json!({"model": "sim-embed", "input": words})) },
        8 => messages(&words, &modifiers, false),
        _ => messages(&words, &modifiers, true),
    }
}

fn chat(body: Value) -> Wish {
    Wish { path: "/v1/chat/completions", body, well_behaved: true, leaves: None }
}

fn bad(body: Value) -> Wish {
    Wish { well_behaved: false, ..chat(body) }
}

/// Half a second and more: something is open whenever a blow falls.
fn long_stream(rng: &mut Rng) -> Wish {
    let modifiers = format!("tokens-{}+chunk-delay-20", rng.u64(30..80));
    chat(streamed(simulated(chat_body(MODEL), &modifiers)))
}

fn messages(words: &str, modifiers: &str, stream: bool) -> Wish {
    let body = json!({
        "model": MODEL,
        "max_tokens": 500,
        "messages": [{"role": "user", "content": words}],
        "metadata": {"user_id": format!("sim:{modifiers}")},
        "stream": stream,
    });
    Wish { path: "/v1/messages", ..chat(body) }
}
