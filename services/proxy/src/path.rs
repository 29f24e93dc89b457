//! Which operation a path means. Clients write the same path in several ways; all of them are understood here.

use maas_types::Operation;

/// What a request to the data plane asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint<'a> {
    Inference(Operation),
    ListModels,
    /// The id may contain slashes.
    GetModel(&'a str),
    GetOwnKey,
    /// Answered without a key.
    Health,
    Unknown,
}

/// How the endpoint appears upstream, below the base URL.
pub const fn upstream_path(operation: Operation) -> Option<&'static str> {
    match operation {
        Operation::Chat => Some("/chat/completions"),
        Operation::Completion => Some("/completions"),
        Operation::Embeddings => Some("/embeddings"),
        _ => None,
    }
}

/// Understands `/v1/x` and `/x`, trailing and doubled slashes, and a doubled `/v1`.
pub fn endpoint(path: &str) -> Endpoint<'_> {
    let mut rest = trim(path);
    for _ in 0..2 {
        rest = match rest.strip_prefix("v1") {
            Some("") => "",
            Some(after) if after.starts_with('/') => trim(after),
            _ => break,
        };
    }
    match rest {
        "chat/completions" => Endpoint::Inference(Operation::Chat),
        "completions" => Endpoint::Inference(Operation::Completion),
        "embeddings" => Endpoint::Inference(Operation::Embeddings),
        "models" => Endpoint::ListModels,
        "key" => Endpoint::GetOwnKey,
        "" | "health" | "ping" => Endpoint::Health,
        _ => match rest.strip_prefix("models").map(trim) {
            Some(id) if rest.starts_with("models/") => Endpoint::GetModel(id),
            _ if rest.contains("//") => with_doubled_slashes(rest),
            _ => Endpoint::Unknown,
        },
    }
}

/// Slashes doubled in the middle are rare enough to be looked at last.
fn with_doubled_slashes(rest: &str) -> Endpoint<'static> {
    let mut parts = rest.split('/').filter(|part| !part.is_empty());
    match (parts.next(), parts.next(), parts.next()) {
        (Some("chat"), Some("completions"), None) => Endpoint::Inference(Operation::Chat),
        _ => Endpoint::Unknown,
    }
}

fn trim(path: &str) -> &str {
    path.trim_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_path_is_understood() {
        let chat = Endpoint::Inference(Operation::Chat);
        for path in [
            "/v1/chat/completions",
            "/chat/completions",
            "/v1/chat/completions/",
            "//v1//chat/completions",
            "/v1/chat//completions",
            "/v1/v1/chat/completions",
        ] {
            assert_eq!(endpoint(path), chat, "{path}");
        }
        assert_eq!(endpoint("/"), Endpoint::Health);
        assert_eq!(endpoint("/v1/health"), Endpoint::Health);
        assert_eq!(endpoint("/v1/models"), Endpoint::ListModels);
        assert_eq!(endpoint("/v1/models/sim/llama-3.1-8b"), Endpoint::GetModel("sim/llama-3.1-8b"));
        assert_eq!(endpoint("/v1/modelsx"), Endpoint::Unknown);
        assert_eq!(endpoint("/v1x/models"), Endpoint::Unknown);
    }
}
