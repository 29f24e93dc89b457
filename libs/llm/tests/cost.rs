//! From what an upstream reports to what is charged, per provider, with costs worked out by hand.
//!
//! Rates are nano-units per million tokens: 3_000_000_000 is 3.00 per million, or 3,000 nano-units per token.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use maas_llm::usage::UsageCollector;
use maas_types::{Nanos, PriceRates};

/// 3.00 per million in, 15.00 out.
const PLAIN: PriceRates = PriceRates {
    input: 3_000_000_000,
    cached_input: None,
    cache_write_input: None,
    audio_input: None,
    output: 15_000_000_000,
    reasoning_output: None,
    audio_output: None,
    image: 0,
    request: 0,
};

/// Everything has a rate of its own, so that a count in the wrong place shows.
const EVERYTHING: PriceRates = PriceRates {
    cached_input: Some(300_000_000),
    cache_write_input: Some(3_750_000_000),
    audio_input: Some(40_000_000_000),
    reasoning_output: Some(20_000_000_000),
    audio_output: Some(80_000_000_000),
    request: 7_000_000_000,
    ..PLAIN
};

fn cost(rates: &PriceRates, discount_basis_points: u32, reports: &[&str]) -> i64 {
    let mut collector = UsageCollector::default();
    for report in reports {
        collector.observe(report.as_bytes());
    }
    let Nanos(cost) = rates.cost(&collector.counts(), discount_basis_points).unwrap();
    cost
}

#[test]
fn gemini_counts_cumulatively_and_the_last_count_is_charged() {
    let chunks = [
        r#"{"prompt_tokens":20,"completion_tokens":3,"total_tokens":23}"#,
        r#"{"prompt_tokens":20,"completion_tokens":9,"total_tokens":29}"#,
        r#"{"prompt_tokens":20,"completion_tokens":14,"total_tokens":34}"#,
    ];
    // 20 × 3,000 + 14 × 15,000. The sum of the chunks would be 60 × 3,000 + 26 × 15,000 = 570,000.
    assert_eq!(cost(&PLAIN, 0, &chunks), 270_000);
}

#[test]
fn gemini_counts_thinking_beside_the_output_and_it_is_charged() {
    let report = r#"{"prompt_tokens":11,"completion_tokens":9,"total_tokens":120,
        "completion_tokens_details":{"reasoning_tokens":100}}"#;
    // 11 × 3,000 + 109 × 15,000.
    assert_eq!(cost(&PLAIN, 0, &[report]), 1_668_000);
    // 11 × 3,000 + 100 × 20,000 + 9 × 15,000 + 7,000 for the request.
    assert_eq!(cost(&EVERYTHING, 0, &[report]), 2_175_000);
}

#[test]
fn anthropic_counts_caches_beside_the_input_and_each_is_charged_once() {
    let events = [
        r#"{"input_tokens":21,"cache_creation_input_tokens":188,"cache_read_input_tokens":2086,"output_tokens":1}"#,
        r#"{"output_tokens":393}"#,
    ];
    // 21 × 3,000 + 188 × 3,750 + 2,086 × 300 + 393 × 15,000 + 7,000.
    assert_eq!(cost(&EVERYTHING, 0, &events), 63_000 + 705_000 + 625_800 + 5_895_000 + 7_000);
    // Without rates for caches all 2,295 are input: 2,295 × 3,000 + 393 × 15,000.
    assert_eq!(cost(&PLAIN, 0, &events), 6_885_000 + 5_895_000);
}

#[test]
fn openai_counts_caches_and_reasoning_inside_and_charges_them_once() {
    let report = r#"{"prompt_tokens":1117,"completion_tokens":46,"total_tokens":1163,
        "prompt_tokens_details":{"cached_tokens":1024},"completion_tokens_details":{"reasoning_tokens":32}}"#;
    // 93 × 3,000 + 1,024 × 300 + 32 × 20,000 + 14 × 15,000 + 7,000.
    assert_eq!(cost(&EVERYTHING, 0, &[report]), 279_000 + 307_200 + 640_000 + 210_000 + 7_000);
    // 1,117 × 3,000 + 46 × 15,000.
    assert_eq!(cost(&PLAIN, 0, &[report]), 4_041_000);
}

#[test]
fn responses_are_charged_like_chat() {
    let report = r#"{"input_tokens":81,"input_tokens_details":{"cached_tokens":16},"output_tokens":1035,
        "output_tokens_details":{"reasoning_tokens":832},"total_tokens":1116}"#;
    // 65 × 3,000 + 16 × 300 + 832 × 20,000 + 203 × 15,000 + 7,000.
    assert_eq!(cost(&EVERYTHING, 0, &["null", report]), 195_000 + 4_800 + 16_640_000 + 3_045_000 + 7_000);
}

#[test]
fn audio_has_rates_of_its_own() {
    let report = r#"{"prompt_tokens":30,"completion_tokens":20,"total_tokens":50,
        "prompt_tokens_details":{"text_tokens":10,"audio_tokens":20},
        "completion_tokens_details":{"text_tokens":5,"audio_tokens":15}}"#;
    // 10 × 3,000 + 20 × 40,000 + 5 × 15,000 + 15 × 80,000 + 7,000.
    assert_eq!(cost(&EVERYTHING, 0, &[report]), 30_000 + 800_000 + 75_000 + 1_200_000 + 7_000);
}

#[test]
fn embeddings_and_rerankers_are_charged_as_input() {
    // 815 × 3,000.
    assert_eq!(cost(&PLAIN, 0, &[r#"{"total_tokens":815}"#]), 2_445_000);
    assert_eq!(cost(&PLAIN, 0, &[r#"{"prompt_tokens":815,"total_tokens":815}"#]), 2_445_000);
}

#[test]
fn a_discount_is_taken_off_before_the_one_rounding() {
    let cents = PriceRates { input: 150_000, output: 600_000, ..PriceRates::default() };
    let report = r#"{"prompt_tokens":7,"completion_tokens":3}"#;
    // 7 × 0.15 + 3 × 0.6 = 2.85 nano-units; less 12.5 %: 2.49375. Rounded before it would be 3 and then 2.625, or 3.
    assert_eq!(cost(&cents, 0, &[report]), 3);
    assert_eq!(cost(&cents, 1_250, &[report]), 2);
}
