//! Reports as providers write them, with counts worked out by hand.
#![allow(clippy::unwrap_used)]

use super::*;

/// What a provider reports, in the order it does, and the counts worked out by hand.
struct Golden {
    provider: &'static str,
    reports: &'static [&'static str],
    expected: TokenCounts,
}

const NONE: TokenCounts = TokenCounts {
    input: 0,
    cached_input: 0,
    cache_write_input: 0,
    audio_input: 0,
    output: 0,
    reasoning_output: 0,
    audio_output: 0,
    images: 0,
};

const GOLDEN: [Golden; 16] = [
    Golden {
        provider: "OpenAI chat",
        reports: &[r#"{"prompt_tokens":1117,"completion_tokens":46,"total_tokens":1163,
            "prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":0},
            "completion_tokens_details":{"reasoning_tokens":32,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}"#],
        expected: TokenCounts { input: 1117, cached_input: 1024, output: 46, reasoning_output: 32, ..NONE },
    },
    Golden {
        provider: "OpenAI Responses",
        reports: &[
            "null",
            r#"{"input_tokens":81,"input_tokens_details":{"cached_tokens":16},"output_tokens":1035,
            "output_tokens_details":{"reasoning_tokens":832},"total_tokens":1116}"#,
        ],
        expected: TokenCounts { input: 81, cached_input: 16, output: 1035, reasoning_output: 832, ..NONE },
    },
    Golden {
        provider: "OpenAI images",
        reports: &[
            r#"{"total_tokens":4210,"input_tokens":50,"output_tokens":4160,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}"#,
        ],
        expected: TokenCounts { input: 50, output: 4160, ..NONE },
    },
    Golden {
        provider: "OpenAI transcription by tokens",
        reports: &[
            r#"{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":4,"audio_tokens":10},"output_tokens":101,"total_tokens":115}"#,
        ],
        expected: TokenCounts { input: 14, audio_input: 10, output: 101, ..NONE },
    },
    Golden {
        provider: "OpenAI transcription by time",
        reports: &[r#"{"type":"duration","seconds":9.5}"#],
        expected: NONE,
    },
    Golden {
        provider: "Azure, the same as OpenAI with nulls",
        reports: &[
            r#"{"completion_tokens":12,"completion_tokens_details":null,"prompt_tokens":33,"prompt_tokens_details":null,"total_tokens":45}"#,
        ],
        expected: TokenCounts { input: 33, output: 12, ..NONE },
    },
    Golden {
        provider: "vLLM, running",
        reports: &[
            r#"{"prompt_tokens":7,"total_tokens":8,"completion_tokens":1}"#,
            r#"{"prompt_tokens":7,"total_tokens":12,"completion_tokens":5,"prompt_tokens_details":null}"#,
        ],
        expected: TokenCounts { input: 7, output: 5, ..NONE },
    },
    Golden {
        provider: "vLLM embeddings",
        reports: &[r#"{"prompt_tokens":6,"total_tokens":6,"completion_tokens":0,"prompt_tokens_details":null}"#],
        expected: TokenCounts { input: 6, ..NONE },
    },
    Golden {
        provider: "Gemini in OpenAI's words, cumulative on every chunk",
        reports: &[
            r#"{"prompt_tokens":20,"completion_tokens":3,"total_tokens":23}"#,
            r#"{"prompt_tokens":20,"completion_tokens":9,"total_tokens":29}"#,
            r#"{"prompt_tokens":20,"completion_tokens":14,"total_tokens":34}"#,
        ],
        expected: TokenCounts { input: 20, output: 14, ..NONE },
    },
    Golden {
        provider: "Anthropic: input at the start, output at the end, caches beside the input",
        reports: &[
            r#"{"input_tokens":21,"cache_creation_input_tokens":188,"cache_read_input_tokens":2086,"cache_creation":{"ephemeral_5m_input_tokens":188},"output_tokens":1,"service_tier":"standard"}"#,
            r#"{"output_tokens":393}"#,
        ],
        expected: TokenCounts { input: 2295, cached_input: 2086, cache_write_input: 188, output: 393, ..NONE },
    },
    Golden {
        provider: "Anthropic without caches, all of it again at the end",
        reports: &[
            r#"{"input_tokens":472,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":2}"#,
            r#"{"input_tokens":10682,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":510,"server_tool_use":{"web_search_requests":1}}"#,
        ],
        expected: TokenCounts { input: 10682, output: 510, ..NONE },
    },
    Golden {
        provider: "a gateway that adds Anthropic's names to an input that has everything",
        reports: &[
            r#"{"prompt_tokens":120,"completion_tokens":8,"total_tokens":128,"cache_read_input_tokens":100,"cache_creation_input_tokens":10}"#,
        ],
        expected: TokenCounts { input: 120, cached_input: 100, cache_write_input: 10, output: 8, ..NONE },
    },
    Golden {
        provider: "Jina rerank",
        reports: &[r#"{"total_tokens":815}"#],
        expected: TokenCounts { input: 815, ..NONE },
    },
    Golden {
        provider: "a count that was taken back",
        reports: &[r#"{"prompt_tokens":5,"completion_tokens":9}"#, r#"{"prompt_tokens":5,"completion_tokens":4}"#],
        expected: TokenCounts { input: 5, output: 4, ..NONE },
    },
    Golden {
        provider: "OpenAI audio",
        reports: &[r#"{"prompt_tokens":30,"completion_tokens":20,"total_tokens":50,
            "prompt_tokens_details":{"text_tokens":10,"audio_tokens":20},"completion_tokens_details":{"text_tokens":5,"audio_tokens":15}}"#],
        expected: TokenCounts { input: 30, audio_input: 20, output: 20, audio_output: 15, ..NONE },
    },
    Golden { provider: "nobody", reports: &["null", "{}"], expected: NONE },
];

#[test]
fn every_provider_is_brought_into_the_normal_form() {
    for Golden { provider, reports, expected } in GOLDEN {
        assert_eq!(counts(reports), expected, "{provider}");
    }
}

#[test]
fn a_time_is_a_report_and_nothing_is_none() {
    let reported = |report: &str| {
        let mut collector = UsageCollector::default();
        collector.observe(report.as_bytes());
        collector.is_reported()
    };
    assert!(reported(r#"{"type":"duration","seconds":3}"#) && reported(r#"{"output_tokens":0}"#));
    assert!(!reported("{}") && !reported(r#"{"seconds":null,"input_tokens":"7"}"#));
}

#[test]
fn cohere_counts_beside_the_answer_and_bills_less() {
    let input = |meta: &str, usage: &str| {
        let mut collector = UsageCollector::default();
        collector.read_meta(&mut crate::scan::Cursor::new(meta.as_bytes())).unwrap();
        collector.observe(usage.as_bytes());
        let counts = collector.counts();
        (counts.input, counts.output)
    };
    let both = r#"{"api_version":{"version":"2"},"billed_units":{"input_tokens":9,"output_tokens":3},"tokens":{"input_tokens":70,"output_tokens":3}}"#;
    assert_eq!(input(both, "null"), (9, 3));
    assert_eq!(input(r#"{"tokens":{"input_tokens":70},"billed_units":{"search_units":1}}"#, "null"), (70, 0));
    assert_eq!(input(both, r#"{"total_tokens":12}"#), (12, 0));
}

fn counts(reports: &[&str]) -> TokenCounts {
    let mut collector = UsageCollector::default();
    for report in reports {
        collector.observe(report.as_bytes());
    }
    collector.counts()
}

#[test]
fn an_openai_report_is_normalised() {
    let report = r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
        "prompt_tokens_details":{"cached_tokens":64,"audio_tokens":3},
        "completion_tokens_details":{"reasoning_tokens":40,"audio_tokens":2,"accepted_prediction_tokens":0}}"#;
    let expected = TokenCounts {
        input: 100,
        cached_input: 64,
        audio_input: 3,
        output: 50,
        reasoning_output: 40,
        audio_output: 2,
        ..TokenCounts::default()
    };
    assert_eq!(counts(&[report]), expected);
}

#[test]
fn the_last_value_of_each_field_counts() {
    let reports = [
        r#"{"prompt_tokens":9,"completion_tokens":1}"#,
        r#"{"prompt_tokens":null,"completion_tokens":4}"#,
        r#"{"completion_tokens":7,"prompt_tokens_details":null}"#,
    ];
    assert_eq!(counts(&reports), TokenCounts { input: 9, output: 7, ..TokenCounts::default() });
}

#[test]
fn nonsense_is_passed_over() {
    let good = r#"{"prompt_tokens":5.0,"completion_tokens":6}"#;
    for bad in [
        r#"{"prompt_tokens":-3,"completion_tokens":"12"}"#,
        r#"{"prompt_tokens":1.5,"completion_tokens":99999999999999}"#,
        r#"{"prompt_tokens":{},"completion_tokens":[1]}"#,
        r#"{"prompt_tokens":77,"completion_tokens":"#,
        "null",
        "3",
    ] {
        assert_eq!(counts(&[good, bad]), TokenCounts { input: 5, output: 6, ..TokenCounts::default() }, "{bad}");
    }
}

#[test]
fn a_total_fills_what_is_missing() {
    let pair = |report| {
        let counts = counts(&[report]);
        (counts.input, counts.output)
    };
    assert_eq!(pair(r#"{"prompt_tokens":8,"total_tokens":8}"#), (8, 0));
    assert_eq!(pair(r#"{"prompt_tokens":8,"total_tokens":11}"#), (8, 3));
    assert_eq!(pair(r#"{"completion_tokens":3,"total_tokens":11}"#), (8, 3));
    assert_eq!(pair(r#"{"total_tokens":11}"#), (11, 0));
    assert_eq!(pair(r#"{"prompt_tokens":8,"completion_tokens":3,"total_tokens":99}"#), (8, 3));
}

#[test]
fn reasoning_counted_beside_the_output_is_added_to_it() {
    let report = r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":35,
        "completion_tokens_details":{"reasoning_tokens":20}}"#;
    let counts = counts(&[report]);
    assert_eq!((counts.output, counts.reasoning_output), (25, 20));
}

#[test]
fn subsets_never_exceed_their_whole() {
    let report = r#"{"prompt_tokens":10,"completion_tokens":5,
        "prompt_tokens_details":{"cached_tokens":11},"completion_tokens_details":{"reasoning_tokens":6}}"#;
    let counts = counts(&[report]);
    assert_eq!((counts.cached_input, counts.reasoning_output), (10, 5));
}
