//! vLLM's `/tokenize` and `/detokenize`. A word of the answers' vocabulary has its number as token and comes back as it
//! was; any other word has a token from its checksum and comes back as a vocabulary word.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::call::{self, Accepted, Asked, Call};
use crate::json::{json_answer, json_string};
use crate::text::{word, words_before};

const CONTEXT_TOKENS: u64 = 4_096;
/// Keeps checksums away from the vocabulary.
const FIRST_UNKNOWN_TOKEN: u64 = 1_200;
const UNKNOWN_TOKENS: u64 = 30_000;

#[derive(Debug, Deserialize)]
struct TokenizeRequest<'a> {
    #[serde(default, borrow)]
    model: Cow<'a, str>,
    #[serde(default)]
    prompt: Option<String>,
    #[serde(default)]
    messages: Option<Value>,
    #[serde(default)]
    return_token_strs: Option<bool>,
    #[serde(default, borrow)]
    user: Option<Cow<'a, str>>,
}

impl<'a> Asked<'a> for TokenizeRequest<'a> {
    fn read(call: &'a Call) -> Result<Self, String> {
        let asked: Self = serde_json::from_slice(&call.body).map_err(|error| error.to_string())?;
        if asked.prompt.is_none() && asked.messages.is_none() {
            return Err("missing field `prompt` or `messages`".to_owned());
        }
        Ok(asked)
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Nothing is worked on.
    fn input_tokens(&self) -> u64 {
        0
    }
}

impl TokenizeRequest<'_> {
    fn text(&self) -> String {
        let mut texts: Vec<&str> = self.prompt.iter().map(String::as_str).collect();
        if let Some(messages) = &self.messages {
            push_texts(messages, &mut texts);
        }
        texts.join(" ")
    }
}

/// Of `content`, which is text or a list of parts with `text`.
fn push_texts<'a>(messages: &'a Value, texts: &mut Vec<&'a str>) {
    for message in messages.as_array().into_iter().flatten() {
        let content = &message["content"];
        texts.extend(content.as_str());
        texts.extend(content.as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()));
    }
}

pub(crate) async fn tokenize(call: Call) -> HttpResponse {
    call::serve(&call, |_, accepted: Accepted<TokenizeRequest<'_>>| {
        let text = accepted.asked.text();
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let tokens: Vec<String> = words.iter().map(|word| token_of(word).to_string()).collect();
        let strings: Vec<String> = words.iter().map(|word| json_string(word)).collect();
        let with_strings = accepted.asked.return_token_strs == Some(true);
        let strings = if with_strings { format!("[{}]", strings.join(",")) } else { "null".to_owned() };
        let (count, tokens) = (tokens.len(), tokens.join(","));
        let body = format!(
            r#"{{"count":{count},"max_model_len":{CONTEXT_TOKENS},"tokens":[{tokens}],"token_strs":{strings}}}"#
        );
        accepted.complete(0, json_answer(StatusCode::OK, body))
    })
    .await
}

#[derive(Debug, Deserialize)]
struct DetokenizeRequest<'a> {
    #[serde(default, borrow)]
    model: Cow<'a, str>,
    tokens: Vec<u64>,
    #[serde(default, borrow)]
    user: Option<Cow<'a, str>>,
}

impl<'a> Asked<'a> for DetokenizeRequest<'a> {
    fn read(call: &'a Call) -> Result<Self, String> {
        serde_json::from_slice(&call.body).map_err(|error| error.to_string())
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Nothing is worked on.
    fn input_tokens(&self) -> u64 {
        0
    }
}

pub(crate) async fn detokenize(call: Call) -> HttpResponse {
    call::serve(&call, |_, accepted: Accepted<DetokenizeRequest<'_>>| {
        let words: Vec<&str> = accepted.asked.tokens.iter().map(|token| word(*token)).collect();
        let body = format!(r#"{{"prompt":"{}"}}"#, words.join(" "));
        accepted.complete(0, json_answer(StatusCode::OK, body))
    })
    .await
}

fn token_of(word: &str) -> u64 {
    let checksum = u64::from(crc32fast::hash(word.as_bytes()));
    words_before(word).unwrap_or(FIRST_UNKNOWN_TOKEN + checksum % UNKNOWN_TOKENS)
}
