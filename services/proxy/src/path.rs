//! Which operation a path means. Clients write the same path in several ways; all of them are understood here.

use maas_types::{OWN_PATH_SEGMENTS, Operation};

/// What a request to the data plane asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route<'a> {
    pub endpoint: Endpoint<'a>,
    /// `namespace/service` before the endpoint: model names are those of this one server.
    pub instance: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint<'a> {
    Inference(Operation),
    /// An answer that its upstream keeps.
    StoredResponse {
        id: &'a str,
        part: StoredPart,
    },
    ListModels,
    /// The id may contain slashes, and be percent-encoded.
    GetModel(&'a str),
    GetOwnKey,
    /// Answered without a key.
    Health,
    Unknown,
}

/// What is asked of a stored answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredPart {
    /// `GET` reads it, `DELETE` removes it.
    Whole,
    Cancel,
    InputItems,
}

/// More segments than any path of ours has; only ids of models have more.
const MOST_SEGMENTS: usize = 8;

/// Understands `/v1/x` and `/x`, trailing and doubled slashes, a doubled `/v1`, and all of it behind an instance.
pub fn route(path: &str) -> Route<'_> {
    // By far the most frequent one.
    if path == "/v1/chat/completions" {
        return Route { endpoint: Endpoint::Inference(Operation::Chat), instance: None };
    }
    let endpoint = endpoint(path);
    if endpoint != Endpoint::Unknown {
        return Route { endpoint, instance: None };
    }
    match split_instance(path) {
        Some((instance, rest)) => Route { endpoint: self::endpoint(rest), instance: Some(instance) },
        None => Route { endpoint, instance: None },
    }
}

/// `namespace/service` and what follows it. Both must be written plainly: they are compared as they stand.
fn split_instance(path: &str) -> Option<(&str, &str)> {
    let path = path.trim_start_matches('/');
    let (namespace, after) = path.split_once('/')?;
    if OWN_PATH_SEGMENTS.contains(&namespace) {
        return None;
    }
    let service = after.split('/').next().filter(|service| !service.is_empty())?;
    let end = namespace.len() + 1 + service.len();
    Some((&path[..end], &path[end..]))
}

fn endpoint(path: &str) -> Endpoint<'_> {
    let rest = without_version(path);
    if let Some(id) = rest.strip_prefix("models/").map(|id| id.trim_matches('/')).filter(|id| !id.is_empty()) {
        return Endpoint::GetModel(id);
    }
    let mut segments = [""; MOST_SEGMENTS];
    let mut count = 0;
    for segment in rest.split('/').filter(|segment| !segment.is_empty()) {
        let Some(slot) = segments.get_mut(count) else { return Endpoint::Unknown };
        *slot = segment;
        count += 1;
    }
    match segments.get(..count).unwrap_or_default() {
        ["models"] => Endpoint::ListModels,
        ["key"] => Endpoint::GetOwnKey,
        [] | ["health" | "ping"] => Endpoint::Health,
        ["responses", id] => Endpoint::StoredResponse { id, part: StoredPart::Whole },
        ["responses", id, "cancel"] => Endpoint::StoredResponse { id, part: StoredPart::Cancel },
        ["responses", id, "input_items"] => Endpoint::StoredResponse { id, part: StoredPart::InputItems },
        other => operation(other).map_or(Endpoint::Unknown, Endpoint::Inference),
    }
}

fn operation(segments: &[&str]) -> Option<Operation> {
    Some(match segments {
        ["chat", "completions"] => Operation::Chat,
        ["completions"] => Operation::Completion,
        ["embeddings"] => Operation::Embeddings,
        ["responses"] => Operation::Responses,
        ["messages"] => Operation::Messages,
        ["messages", "count_tokens"] => Operation::CountTokens,
        ["rerank"] => Operation::Rerank,
        ["audio", "speech"] => Operation::Speech,
        ["audio", "transcriptions"] => Operation::Transcription,
        ["audio", "translations"] => Operation::Translation,
        ["images", "generations"] => Operation::ImageGeneration,
        ["images", "edits"] => Operation::ImageEdit,
        ["moderations"] => Operation::Moderation,
        ["tokenize"] => Operation::Tokenize,
        ["detokenize"] => Operation::Detokenize,
        _ => return None,
    })
}

/// The path behind `/v1`, which may be missing or doubled.
fn without_version(path: &str) -> &str {
    let mut rest = path.trim_matches('/');
    for _ in 0..2 {
        rest = match rest.strip_prefix("v1") {
            Some(after) if after.is_empty() || after.starts_with('/') => after.trim_start_matches('/'),
            _ => break,
        };
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: Endpoint<'static> = Endpoint::Inference(Operation::Chat);

    fn plain(path: &str) -> Endpoint<'_> {
        let route = route(path);
        assert_eq!(route.instance, None, "{path}");
        route.endpoint
    }

    #[test]
    fn every_spelling_of_a_path_is_understood() {
        for path in [
            "/v1/chat/completions",
            "/chat/completions",
            "/v1/chat/completions/",
            "//v1//chat/completions",
            "/v1/chat//completions",
            "/v1/v1/chat/completions",
        ] {
            assert_eq!(plain(path), CHAT, "{path}");
        }
        assert_eq!(plain("/v1/v1/messages"), Endpoint::Inference(Operation::Messages));
        for path in ["/", "/v1", "/v1/health", "/ping"] {
            assert_eq!(plain(path), Endpoint::Health, "{path}");
        }
        assert_eq!(plain("/v1/models"), Endpoint::ListModels);
        assert_eq!(plain("/v1/models/sim/llama-3.1-8b"), Endpoint::GetModel("sim/llama-3.1-8b"));
        assert_eq!(plain("/v1/modelsx"), Endpoint::Unknown);
        assert_eq!(plain("/v1/chat/completions/more"), Endpoint::Unknown);
        assert_eq!(plain("/v1/1/2/3/4/5/6/7/8/9"), Endpoint::Unknown);
    }

    #[test]
    fn every_operation_has_a_path() {
        let operations = [
            ("/v1/responses", Operation::Responses),
            ("/v1/messages/count_tokens", Operation::CountTokens),
            ("/rerank", Operation::Rerank),
            ("/v1/audio/speech", Operation::Speech),
            ("/v1/audio/transcriptions", Operation::Transcription),
            ("/v1/audio/translations", Operation::Translation),
            ("/v1/images/generations", Operation::ImageGeneration),
            ("/v1/images/edits", Operation::ImageEdit),
            ("/v1/moderations", Operation::Moderation),
            ("/tokenize", Operation::Tokenize),
            ("/detokenize", Operation::Detokenize),
            ("/v1/completions", Operation::Completion),
            ("/v1/embeddings", Operation::Embeddings),
        ];
        for (path, operation) in operations {
            assert_eq!(plain(path), Endpoint::Inference(operation), "{path}");
        }
    }

    #[test]
    fn stored_answers_have_parts() {
        let stored = |part| Endpoint::StoredResponse { id: "resp_1", part };
        assert_eq!(plain("/v1/responses/resp_1"), stored(StoredPart::Whole));
        assert_eq!(plain("/v1/responses/resp_1/cancel"), stored(StoredPart::Cancel));
        assert_eq!(plain("/responses/resp_1/input_items"), stored(StoredPart::InputItems));
        assert_eq!(plain("/v1/responses/resp_1/else"), Endpoint::Unknown);
    }

    #[test]
    fn an_instance_has_the_whole_tree_behind_it() {
        let of = |path| {
            let route = route(path);
            (route.instance, route.endpoint)
        };
        let gemini = Some("llm/gemini-llamastack");
        assert_eq!(of("/llm/gemini-llamastack/v1/chat/completions"), (gemini, CHAT));
        assert_eq!(of("/llm/gemini-llamastack/chat/completions"), (gemini, CHAT));
        assert_eq!(
            of("/llm/gemini-llamastack/v1/models/gemini/models/x"),
            (gemini, Endpoint::GetModel("gemini/models/x"))
        );
        assert_eq!(of("/llm/gemini-llamastack/v1/health"), (gemini, Endpoint::Health));
        assert_eq!(of("/llm/gemini-llamastack"), (gemini, Endpoint::Health));
        assert_eq!(of("/api/v1/chat/completions"), (None, Endpoint::Unknown));
        assert_eq!(of("/llm"), (None, Endpoint::Unknown));
    }
}
