//! What an answer needs to know of a request to create a response.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::behaviour::Behaviour;
use crate::call::{Asked, Call, marked};
use crate::json::{json_or_null, json_string};
use crate::plan::{Plan, Wish};
use crate::structured::demanded_json;
use crate::words::Words;

#[derive(Debug, Deserialize)]
struct Fields<'a> {
    #[serde(default, borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    input: &'a RawValue,
    #[serde(default, borrow)]
    instructions: Option<&'a RawValue>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    store: Option<bool>,
    #[serde(default)]
    background: Option<bool>,
    #[serde(default, borrow)]
    previous_response_id: Option<Cow<'a, str>>,
    #[serde(default)]
    max_output_tokens: Option<u64>,
    #[serde(default, borrow)]
    tools: Option<&'a RawValue>,
    #[serde(default, borrow)]
    tool_choice: Option<&'a RawValue>,
    #[serde(default, borrow)]
    text: Option<TextOptions<'a>>,
    #[serde(default, borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(default, borrow)]
    user: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    safety_identifier: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
struct TextOptions<'a> {
    #[serde(default, borrow)]
    format: Option<&'a RawValue>,
}

#[derive(Debug)]
pub(super) struct ResponsesRequest<'a> {
    fields: Fields<'a>,
    words: Words,
    input_tokens: u64,
}

impl<'a> Asked<'a> for ResponsesRequest<'a> {
    fn read(call: &'a Call) -> Result<Self, String> {
        Self::parse(&call.body).map_err(|error| error.to_string())
    }

    fn model(&self) -> &str {
        &self.fields.model
    }

    fn user(&self) -> Option<&str> {
        marked([self.fields.user.as_deref(), self.fields.safety_identifier.as_deref()])
    }

    fn input_tokens(&self) -> u64 {
        self.input_tokens
    }

    fn streams(&self) -> bool {
        self.fields.stream == Some(true)
    }
}

impl<'a> ResponsesRequest<'a> {
    fn parse(body: &'a [u8]) -> Result<Self, serde_json::Error> {
        let fields: Fields<'a> = serde_json::from_slice(body)?;
        let words: Words = serde_json::from_str(fields.input.get())?;
        let instructions = fields.instructions.map(|text| serde_json::from_str::<Words>(text.get())).transpose()?;
        let input_tokens = words.tokens() + instructions.map_or(0, Words::tokens);
        Ok(Self { fields, words, input_tokens })
    }

    pub(super) fn input(&self) -> &'a str {
        self.fields.input.get()
    }

    /// Kept unless the request says otherwise, as with OpenAI.
    pub(super) fn is_kept(&self) -> bool {
        self.fields.store != Some(false)
    }

    pub(super) fn in_background(&self) -> bool {
        self.fields.background == Some(true)
    }

    pub(super) fn previous_response(&self) -> Option<&str> {
        self.fields.previous_response_id.as_deref()
    }

    pub(super) fn plan(&self, behaviour: &Behaviour) -> Result<Plan, serde_json::Error> {
        let wish = Wish {
            most_tokens: self.fields.max_output_tokens,
            tools: self.fields.tools,
            tool_choice: self.fields.tool_choice,
            after_tool_result: self.words.ends_with_tool_result,
            json: demanded_json(self.fields.text.as_ref().and_then(|text| text.format))?,
            stop_words: Vec::new(),
        };
        Plan::new(wish, behaviour)
    }

    /// What a response object repeats of its request, as fields of JSON.
    pub(super) fn echoed(&self) -> String {
        let Fields { tools, tool_choice, metadata, instructions, max_output_tokens, .. } = &self.fields;
        let text = |value: &Option<Cow<'_, str>>| json_or_null(value.as_deref().map(json_string));
        let format = self.fields.text.as_ref().and_then(|text| text.format);
        [
            format!(r#""background":{}"#, self.in_background()),
            format!(r#""instructions":{}"#, raw(*instructions, "null")),
            format!(r#""max_output_tokens":{}"#, json_or_null(*max_output_tokens)),
            format!(r#""max_tool_calls":null,"metadata":{}"#, raw(*metadata, "{}")),
            format!(r#""parallel_tool_calls":true,"previous_response_id":{}"#, text(&self.fields.previous_response_id)),
            r#""prompt_cache_key":null,"reasoning":{"effort":null,"summary":null}"#.to_owned(),
            format!(r#""safety_identifier":{}"#, text(&self.fields.safety_identifier)),
            format!(r#""service_tier":"default","store":{},"temperature":1.0"#, self.is_kept()),
            format!(r#""text":{{"format":{}}}"#, raw(format, r#"{"type":"text"}"#)),
            format!(r#""tool_choice":{},"tools":{}"#, raw(*tool_choice, r#""auto""#), raw(*tools, "[]")),
            r#""top_logprobs":0,"top_p":1.0,"truncation":"disabled""#.to_owned(),
            format!(r#""user":{}"#, text(&self.fields.user)),
        ]
        .join(",")
    }
}

fn raw<'a>(value: Option<&'a RawValue>, missing: &'a str) -> &'a str {
    value.map_or(missing, RawValue::get)
}
