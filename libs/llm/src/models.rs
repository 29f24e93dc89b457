//! Model lists: reading an upstream's, writing ours.

use std::collections::HashSet;

use maas_types::Operation;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// More models than any upstream has; a longer list is refused, since it would be cut at a random place otherwise.
pub const MAX_MODELS: usize = 10_000;

const MAX_ID_CHARS: usize = 256;

#[derive(Debug, thiserror::Error)]
pub enum ModelListError {
    #[error("the model list is not valid JSON")]
    InvalidJson(#[source] serde_json::Error),
    #[error("the answer is not a model list")]
    NotAList,
    #[error("the model list has more than {MAX_MODELS} entries")]
    TooMany,
}

/// One model of an upstream's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamModel {
    pub id: String,
    pub owned_by: Option<String>,
    /// Unix seconds. Some servers give another value on every list, so it tells nothing about changes.
    pub created: Option<i64>,
    /// The context length, where the server names it (vLLM does).
    pub max_model_len: Option<u64>,
    pub kind: ModelKindGuess,
}

/// What a model probably does, from what the list says and from its name. Only a first guess for the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKindGuess {
    Generative,
    Embedding,
    Rerank,
    Transcription,
    Speech,
    Image,
    Moderation,
}

impl ModelKindGuess {
    pub const fn operations(self) -> &'static [Operation] {
        match self {
            Self::Generative => &[Operation::Chat, Operation::Completion],
            Self::Embedding => &[Operation::Embeddings],
            Self::Rerank => &[Operation::Rerank],
            Self::Transcription => &[Operation::Transcription, Operation::Translation],
            Self::Speech => &[Operation::Speech],
            Self::Image => &[Operation::ImageGeneration, Operation::ImageEdit],
            Self::Moderation => &[Operation::Moderation],
        }
    }
}

/// Reads `{"data":[…]}` or a bare array. Entries without a usable id are passed over, the first of equal ids is kept,
/// and `data: null` is an empty list.
pub fn parse_model_list(body: &[u8]) -> Result<Vec<UpstreamModel>, ModelListError> {
    let entries = match serde_json::from_slice(body).map_err(ModelListError::InvalidJson)? {
        Value::Array(entries) => entries,
        Value::Object(mut object) => match object.remove("data") {
            Some(Value::Array(entries)) => entries,
            Some(Value::Null) => Vec::new(),
            _ => return Err(ModelListError::NotAList),
        },
        _ => return Err(ModelListError::NotAList),
    };
    if entries.len() > MAX_MODELS {
        return Err(ModelListError::TooMany);
    }
    let mut known = HashSet::new();
    let models = entries.iter().filter_map(upstream_model);
    Ok(models.filter(|model| known.insert(model.id.clone())).collect())
}

fn upstream_model(entry: &Value) -> Option<UpstreamModel> {
    let id = entry.get("id")?.as_str()?;
    if id.is_empty() || id.chars().count() > MAX_ID_CHARS || id.chars().any(char::is_control) {
        return None;
    }
    Some(UpstreamModel {
        id: id.to_owned(),
        owned_by: entry.get("owned_by").and_then(Value::as_str).map(str::to_owned),
        created: entry.get("created").and_then(Value::as_i64),
        max_model_len: entry.get("max_model_len").and_then(Value::as_u64),
        kind: guess_kind(entry, id),
    })
}

fn guess_kind(entry: &Value, id: &str) -> ModelKindGuess {
    let declared = entry.get("model_type").or_else(|| entry.pointer("/custom_metadata/model_type"));
    match declared.and_then(Value::as_str) {
        Some("embedding") => return ModelKindGuess::Embedding,
        Some("rerank") => return ModelKindGuess::Rerank,
        Some("llm") => return ModelKindGuess::Generative,
        _ => {}
    }
    const PARTS: [(&str, ModelKindGuess); 9] = [
        ("rerank", ModelKindGuess::Rerank),
        ("embed", ModelKindGuess::Embedding),
        ("minilm", ModelKindGuess::Embedding),
        ("whisper", ModelKindGuess::Transcription),
        ("transcribe", ModelKindGuess::Transcription),
        ("tts", ModelKindGuess::Speech),
        ("dall-e", ModelKindGuess::Image),
        ("gpt-image", ModelKindGuess::Image),
        ("moderation", ModelKindGuess::Moderation),
    ];
    let id = id.to_ascii_lowercase();
    PARTS.iter().find(|(part, _)| id.contains(part)).map_or(ModelKindGuess::Generative, |(_, kind)| *kind)
}

/// Our answer to `GET /v1/models`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelList {
    pub object: String,
    pub data: Vec<ModelEntry>,
}

impl ModelList {
    pub fn new(data: Vec<ModelEntry>) -> Self {
        Self { object: "list".to_owned(), data }
    }
}

/// Our answer to `GET /v1/models/{id}`, and one entry of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelEntry {
    pub id: String,
    pub object: String,
    /// Unix seconds.
    pub created: i64,
    pub owned_by: String,
    /// The context length, under the name that vLLM's clients know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_model_len: Option<u64>,
}

impl ModelEntry {
    pub fn new(id: String, created: i64, owned_by: String, max_model_len: Option<u64>) -> Self {
        Self { id, object: "model".to_owned(), created, owned_by, max_model_len }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_real_servers_are_read() {
        let body = br#"{"object":"list","data":[
            {"id":"meta/llama-3","object":"model","created":1,"owned_by":"vllm","root":"/models/x","max_model_len":8192},
            {"id":"meta/llama-3","created":2},
            {"id":"all-MiniLM-L6-v2","created":1763630998,"owned_by":"llama_stack","custom_metadata":{"model_type":"embedding"}},
            {"id":""}, {"name":"no id"}, 7, {"id":"a\u0000b"}
        ],"extra":true}"#;
        let models = parse_model_list(body).unwrap();
        let ids: Vec<_> = models.iter().map(|model| (model.id.as_str(), model.kind)).collect();
        assert_eq!(
            ids,
            [("meta/llama-3", ModelKindGuess::Generative), ("all-MiniLM-L6-v2", ModelKindGuess::Embedding)]
        );
        assert_eq!((models[0].max_model_len, models[0].created), (Some(8192), Some(1)));
    }

    #[test]
    fn a_null_list_is_empty_and_anything_else_is_no_list() {
        assert_eq!(parse_model_list(br#"{"data":null}"#).unwrap(), []);
        assert_eq!(parse_model_list(b"[]").unwrap(), []);
        assert!(matches!(parse_model_list(br#"{"models":[]}"#), Err(ModelListError::NotAList)));
        assert!(matches!(parse_model_list(b"<html>"), Err(ModelListError::InvalidJson(_))));
        let long = format!("[{}0]", "0,".repeat(MAX_MODELS));
        assert!(matches!(parse_model_list(long.as_bytes()), Err(ModelListError::TooMany)));
    }

    #[test]
    fn our_list_has_openai_shape() {
        let list = ModelList::new(vec![ModelEntry::new("m".to_owned(), 5, "maas".to_owned(), None)]);
        assert_eq!(
            serde_json::to_string(&list).unwrap(),
            r#"{"object":"list","data":[{"id":"m","object":"model","created":5,"owned_by":"maas"}]}"#
        );
    }
}
