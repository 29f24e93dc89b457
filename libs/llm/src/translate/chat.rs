//! Chat completions as types, for the translations: `https://platform.openai.com/docs/api-reference/chat`.
//!
//! Reading is lenient where servers differ (missing and null members), writing leaves absent members out. Members that
//! no translation looks at are kept in `rest` where a body is passed on.

use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};
use serde_json::{Map, Value};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    pub model: String,
    pub messages: Vec<ChatMessage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<ChatTool>>,
    /// `"none"`, `"auto"`, `"required"` or `{"type":"function","function":{"name":…}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// `{"type":"json_schema","json_schema":{"name","schema","strict"}}`, `{"type":"json_object"}`, `{"type":"text"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Value>,
    /// Tokens. What upstreams without a language of their own know best; newer OpenAI models want the other one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// A string or a list of strings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<Value>,
    /// `none`, `minimal`, `low`, `medium`, `high`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// `system`, `developer`, `user`, `assistant`, `tool`; in the chunks of a stream only the first has it.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ChatContent>,
    /// Reasoning as vLLM and others give it out; never sent by OpenAI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The same under the name that newer servers use; some send both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ChatToolCall>>,
    /// In a message with the role `tool`: which call it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl ChatMessage {
    /// The reasoning, under whichever name it came.
    pub fn reasoning_text(&self) -> Option<&str> {
        let named = [&self.reasoning_content, &self.reasoning];
        named.into_iter().filter_map(Option::as_deref).find(|text| !text.is_empty())
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ChatContent {
    Text(String),
    /// When read, parts of other types (some servers put reasoning here) are passed over.
    Parts(#[serde(deserialize_with = "known_parts")] Vec<ChatPart>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ChatPart {
    Text {
        text: String,
    },
    ImageUrl {
        image_url: ChatImage,
    },
    /// `{"data": base64, "format": "wav" | "mp3"}`.
    InputAudio {
        input_audio: Value,
    },
    /// `{"file_data": data URL, "filename"}` or `{"file_id"}`.
    File {
        file: Value,
    },
    Refusal {
        refusal: String,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatImage {
    /// `https:` or `data:`.
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatTool {
    /// `function`; others are refused by the translations.
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<ChatFunction>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatFunction {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// A call, whole or (in a stream) a piece of one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatToolCall {
    /// In streams: which call the piece belongs to. Some servers leave it out.
    #[serde(default, deserialize_with = "whole_or_none", skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub function: ChatCalledFunction,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatCalledFunction {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// JSON as text; in streams a piece of it. Some servers give the JSON itself, which is read as its text.
    #[serde(default, deserialize_with = "json_text", skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
}

/// A whole answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatCompletion {
    #[serde(default, deserialize_with = "null_as_default")]
    pub id: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub object: String,
    /// Unix seconds.
    #[serde(default, deserialize_with = "whole_or_zero")]
    pub created: u64,
    #[serde(default, deserialize_with = "null_as_default")]
    pub model: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub choices: Vec<ChatChoice>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<ChatUsage>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatChoice {
    #[serde(default, deserialize_with = "whole_or_zero")]
    pub index: u64,
    #[serde(default, deserialize_with = "null_as_default")]
    pub message: ChatMessage,
    /// `stop`, `length`, `tool_calls`, `content_filter`, `function_call`, and what servers add.
    #[serde(default)]
    pub finish_reason: Option<String>,
    /// vLLM's: the stop sequence that was met, or the id of a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<Value>,
}

/// One frame of a stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatChunk {
    #[serde(default, deserialize_with = "null_as_default")]
    pub id: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub object: String,
    /// Unix seconds.
    #[serde(default, deserialize_with = "whole_or_zero")]
    pub created: u64,
    #[serde(default, deserialize_with = "null_as_default")]
    pub model: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub choices: Vec<ChatChunkChoice>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<ChatUsage>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatChunkChoice {
    #[serde(default, deserialize_with = "whole_or_zero")]
    pub index: u64,
    #[serde(default, deserialize_with = "null_as_default")]
    pub delta: ChatMessage,
    #[serde(default)]
    pub finish_reason: Option<String>,
    /// As in [`ChatChoice`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<Value>,
}

/// Tokens; the details are subsets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatUsage {
    #[serde(default, deserialize_with = "whole_or_zero")]
    pub prompt_tokens: u64,
    #[serde(default, deserialize_with = "whole_or_zero")]
    pub completion_tokens: u64,
    #[serde(default, deserialize_with = "whole_or_zero")]
    pub total_tokens: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens_details: Option<ChatPromptDetails>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_tokens_details: Option<ChatCompletionDetails>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatPromptDetails {
    #[serde(default, deserialize_with = "whole_or_none", skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
    /// What was written to a cache.
    #[serde(default, deserialize_with = "whole_or_none", skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// The same under the name that gateways used before OpenAI counted it.
    #[serde(default, deserialize_with = "whole_or_none", skip_serializing_if = "Option::is_none")]
    pub cache_creation_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatCompletionDetails {
    #[serde(default, deserialize_with = "whole_or_none", skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
}

/// Many servers write `null` where others leave a member out.
fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A count as servers write it: `12`, `12.0`, a time with fractions. Anything else says nothing.
fn whole_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    /// Above this a double no longer tells neighbours apart.
    const EXACT_DOUBLES: f64 = 9_007_199_254_740_992.0;
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Loose {
        Whole(u64),
        Real(f64),
        Other(IgnoredAny),
    }
    Ok(match Loose::deserialize(deserializer)? {
        Loose::Whole(number) => Some(number),
        Loose::Real(number) if (0.0..=EXACT_DOUBLES).contains(&number) => Some(number as u64),
        Loose::Real(_) | Loose::Other(_) => None,
    })
}

fn known_parts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ChatPart>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Loose {
        Known(ChatPart),
        Other(IgnoredAny),
    }
    let parts = Vec::<Loose>::deserialize(deserializer)?.into_iter();
    Ok(parts.filter_map(|part| if let Loose::Known(part) = part { Some(part) } else { None }).collect())
}

fn json_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        json => Some(json.to_string()),
    })
}

fn whole_or_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(whole_or_none(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_servers_send_as_null_or_as_fractions_are_read() {
        let chunk = r#"{"id":null,"object":null,"created":1700000000.25,"model":null,
            "choices":[{"index":null,"delta":{"role":null,"content":null,"tool_calls":[{"index":0,"function":null}]}}],
            "usage":{"prompt_tokens":3.0,"completion_tokens":-1,"total_tokens":null,"prompt_tokens_details":{"cached_tokens":2.0}}}"#;
        let chunk: ChatChunk = serde_json::from_str(chunk).unwrap();
        let usage = chunk.usage.unwrap();
        assert_eq!((chunk.created, chunk.choices.len()), (1_700_000_000, 1));
        assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (3, 0, 0));
        assert_eq!(usage.prompt_tokens_details.unwrap().cached_tokens, Some(2));
        let call: ChatToolCall = serde_json::from_str(r#"{"index":1.0,"function":{"arguments":{"x":1}}}"#).unwrap();
        assert_eq!((call.index, call.function.arguments.as_deref()), (Some(1), Some(r#"{"x":1}"#)));
        let parts = r#"[{"type":"thinking","thinking":[]},{"type":"text","text":"a"}]"#;
        let text = ChatPart::Text { text: "a".to_owned() };
        assert_eq!(serde_json::from_str::<ChatContent>(parts).unwrap(), ChatContent::Parts(vec![text]));
        let empty: ChatChunk = serde_json::from_str(r#"{"choices":null}"#).unwrap();
        assert_eq!(empty, ChatChunk::default());
    }
}
