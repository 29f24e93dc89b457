//! What an answer needs to know of its request.

use serde_json::value::RawValue;

use super::{object::Object, tools::ToolNames};
use crate::translate::TranslationError;

/// What an answer repeats of its request, and the names that are given to it.
#[derive(Debug, Clone)]
pub struct ResponseSettings {
    /// `resp_…`, as the client is to see it. The ids of the output items are made from it, so it must be unique.
    pub response_id: String,
    /// The model name that the client asked for.
    pub client_model: String,
    /// Unix seconds.
    pub created_at: u64,
    pub(super) repeated: RepeatedFields,
    pub(super) tools: ToolNames,
}

/// Fields of the request that its answer shows again, as the client has written them.
#[derive(Debug, Clone, Default)]
pub(super) struct RepeatedFields {
    pub instructions: Option<Box<RawValue>>,
    pub max_output_tokens: Option<Box<RawValue>>,
    pub max_tool_calls: Option<Box<RawValue>>,
    pub metadata: Option<Box<RawValue>>,
    pub parallel_tool_calls: Option<Box<RawValue>>,
    pub prompt_cache_key: Option<Box<RawValue>>,
    pub reasoning: Option<Box<RawValue>>,
    pub safety_identifier: Option<Box<RawValue>>,
    pub temperature: Option<Box<RawValue>>,
    pub text: Option<Box<RawValue>>,
    pub tool_choice: Option<Box<RawValue>>,
    pub tools: Option<Box<RawValue>>,
    pub top_p: Option<Box<RawValue>>,
    pub user: Option<Box<RawValue>>,
}

impl ResponseSettings {
    /// Reads the client's request, the same body that [`super::request`] gets; what that refuses need not be refused
    /// here.
    pub fn from_request(
        body: &[u8],
        response_id: String,
        client_model: String,
        created_at: u64,
    ) -> Result<Self, TranslationError> {
        let request = Object::parse(body)?;
        Ok(Self {
            response_id,
            client_model,
            created_at,
            repeated: RepeatedFields::read(&request)?,
            tools: ToolNames::read(&request)?,
        })
    }

    /// The id of an output item: unique among all answers, the same in all events about the item.
    pub(super) fn item_id(&self, prefix: &str, output_index: usize) -> String {
        format!("{prefix}_{}_{output_index}", self.id_without_prefix())
    }

    /// The id of a call to which the upstream has given none.
    pub(super) fn call_id(&self, number: usize) -> String {
        format!("call_{}_{number}", self.id_without_prefix())
    }

    fn id_without_prefix(&self) -> &str {
        self.response_id.strip_prefix("resp_").unwrap_or(&self.response_id)
    }
}

impl RepeatedFields {
    fn read(request: &Object<'_>) -> Result<Self, TranslationError> {
        let raw = |name| Ok::<_, TranslationError>(request.raw(name)?.and_then(on_one_line));
        Ok(Self {
            instructions: raw("instructions")?,
            max_output_tokens: raw("max_output_tokens")?,
            max_tool_calls: raw("max_tool_calls")?,
            metadata: raw("metadata")?,
            parallel_tool_calls: raw("parallel_tool_calls")?,
            prompt_cache_key: raw("prompt_cache_key")?,
            reasoning: raw("reasoning")?,
            safety_identifier: raw("safety_identifier")?,
            temperature: raw("temperature")?,
            text: raw("text")?,
            tool_choice: raw("tool_choice")?,
            tools: raw("tools")?,
            top_p: raw("top_p")?,
            user: raw("user")?,
        })
    }
}

/// Events are lines. In JSON line breaks stand only between tokens, where a space says the same.
fn on_one_line(value: &RawValue) -> Option<Box<RawValue>> {
    RawValue::from_string(value.get().replace(['\n', '\r'], " ")).ok()
}
