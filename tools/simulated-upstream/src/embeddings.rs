//! Embeddings.

use std::borrow::Cow;
use std::fmt::Write;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::behaviour::{Behaviour, UsageMode};
use crate::call::{self, Accepted, Asked, Call};
use crate::json::{json_answer, json_string};
use crate::usage::HUGE_TOKENS;
use crate::words::Words;

const DIMENSIONS: u64 = 16;
const MOST_DIMENSIONS: u64 = 4_096;

#[derive(Debug, Deserialize)]
struct EmbeddingsRequest<'a> {
    #[serde(default, borrow)]
    model: Cow<'a, str>,
    #[serde(default)]
    input: Words,
    #[serde(default, borrow)]
    user: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    encoding_format: Option<Cow<'a, str>>,
    #[serde(default)]
    dimensions: Option<u64>,
}

impl<'a> Asked<'a> for EmbeddingsRequest<'a> {
    fn read(call: &'a Call) -> Result<Self, String> {
        serde_json::from_slice(&call.body).map_err(|error| error.to_string())
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    fn input_tokens(&self) -> u64 {
        self.input.tokens()
    }
}

pub(crate) async fn serve(call: Call) -> HttpResponse {
    call::serve(&call, |call, accepted: Accepted<EmbeddingsRequest<'_>>| {
        let model = call.answered_model(&accepted.asked.model).into_owned();
        let body = result(&accepted.asked, &model, &accepted.behaviour);
        accepted.complete(0, json_answer(StatusCode::OK, body))
    })
    .await
}

fn result(asked: &EmbeddingsRequest<'_>, model: &str, behaviour: &Behaviour) -> String {
    let dimensions = asked.dimensions.unwrap_or(DIMENSIONS).clamp(1, MOST_DIMENSIONS);
    let as_base64 = asked.encoding_format.as_deref() == Some("base64");
    let mut body = String::from(r#"{"object":"list","data":["#);
    for index in 0..asked.input.texts {
        let separator = if index == 0 { "" } else { "," };
        let vector = embedding(index, dimensions, as_base64);
        // Writing to a string cannot fail.
        let _ = write!(body, r#"{separator}{{"object":"embedding","index":{index},"embedding":{vector}}}"#);
    }
    let _ = write!(body, r#"],"model":{}"#, json_string(model));
    let tokens = if behaviour.usage == UsageMode::Huge { HUGE_TOKENS } else { asked.input_tokens() };
    if behaviour.usage != UsageMode::Missing {
        let _ = write!(body, r#","usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}"#);
    }
    body.push('}');
    body
}

/// One vector as a JSON value: numbers, or base64 of little-endian 32-bit floats, which OpenAI's SDKs ask for.
fn embedding(index: u64, dimensions: u64, as_base64: bool) -> String {
    // Multiples of 1/64 are exact in both forms.
    let component = |position: u64| ((index * 7 + position * 5) % 127) as f32 / 64.0 - 1.0;
    if as_base64 {
        let bytes: Vec<u8> = (0..dimensions).flat_map(|position| component(position).to_le_bytes()).collect();
        return format!(r#""{}""#, STANDARD.encode(bytes));
    }
    let numbers: Vec<String> = (0..dimensions).map(|position| component(position).to_string()).collect();
    format!("[{}]", numbers.join(","))
}
