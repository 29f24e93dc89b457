//! How servers say that a request is longer than the model's context; few of them have a code for it.

/// Whether a message of any known server says so.
pub(super) fn speaks_of_context_overflow(message: &str) -> bool {
    const PHRASES: [&str; 17] = [
        // OpenAI, vLLM, SGLang
        "maximum context length",
        "context_length_exceeded",
        "context window",
        "maximum model length",
        "max_model_len",
        "model's context length",
        // Anthropic, Bedrock
        "prompt is too long",
        "exceed context limit",
        "input is too long",
        // Google
        "maximum number of tokens allowed",
        // llama.cpp
        "exceeds the available context size",
        "exceed context size",
        "context size has been exceeded",
        // Ollama
        "exceeds the context",
        "exceeds context length",
        // TGI
        "`max_new_tokens` must be",
        "`inputs` must have less than",
    ];
    let message = message.to_ascii_lowercase();
    PHRASES.iter().any(|phrase| message.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::super::parse_upstream_error;

    #[test]
    fn an_overflow_is_recognised_in_every_servers_words() {
        let said = [
            "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
            "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
            "prompt is too long: 207791 tokens > 200000 maximum",
            "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease input length",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it",
            "Context size has been exceeded.",
            "the input length exceeds the context length",
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 1512. Given: 1000 `inputs` tokens",
            "Input validation error: `inputs` must have less than 1024 tokens. Given: 1168",
        ];
        for message in said {
            assert!(parse_upstream_error(message.as_bytes()).context_overflow, "{message}");
        }
        let typed = r#"{"error":{"code":400,"message":"no","type":"exceed_context_size_error","n_ctx":256}}"#;
        assert!(parse_upstream_error(typed.as_bytes()).context_overflow);
        assert!(!parse_upstream_error(b"max_tokens must be positive").context_overflow);
    }
}
