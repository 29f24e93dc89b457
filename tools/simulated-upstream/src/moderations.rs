//! Moderations. A text with the word `violent` is flagged.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::call::{self, Accepted, Asked, Call};
use crate::json::{json_answer, json_string};
use crate::words::Words;

const FLAGGED_WORD: &str = "violent";
const FLAGGED_CATEGORY: &str = "violence";
const CATEGORIES: [&str; 13] = [
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    FLAGGED_CATEGORY,
    "violence/graphic",
];

#[derive(Debug, Deserialize)]
struct ModerationRequest<'a> {
    #[serde(default, borrow)]
    model: Cow<'a, str>,
    /// A text, a list of texts, or a list of parts that make one input together.
    input: Value,
    #[serde(default, borrow)]
    user: Option<Cow<'a, str>>,
}

impl<'a> Asked<'a> for ModerationRequest<'a> {
    fn read(call: &'a Call) -> Result<Self, String> {
        let mut asked: Self = serde_json::from_slice(&call.body).map_err(|error| error.to_string())?;
        // The one operation that OpenAI lets go without a model.
        if asked.model.is_empty() {
            asked.model = Cow::Borrowed(call.state.models.first().map(String::as_str).unwrap_or_default());
        }
        Ok(asked)
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    fn input_tokens(&self) -> u64 {
        self.texts().iter().map(|text| Words::of_text(text).count).sum()
    }
}

impl ModerationRequest<'_> {
    /// One for each result.
    fn texts(&self) -> Vec<String> {
        match &self.input {
            Value::String(text) => vec![text.clone()],
            Value::Array(items) if items.iter().any(Value::is_object) => {
                let texts = items.iter().filter_map(|item| item["text"].as_str());
                vec![texts.collect::<Vec<_>>().join(" ")]
            }
            Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }
}

pub(crate) async fn serve(call: Call) -> HttpResponse {
    call::serve(&call, |call, accepted: Accepted<ModerationRequest<'_>>| {
        let results: Vec<String> = accepted.asked.texts().iter().map(|text| result(text)).collect();
        let (id, model) = (call.state.next_id(), json_string(&accepted.asked.model));
        let body = format!(r#"{{"id":"modr-sim-{id}","model":{model},"results":[{}]}}"#, results.join(","));
        accepted.complete(0, json_answer(StatusCode::OK, body))
    })
    .await
}

fn result(text: &str) -> String {
    let flagged = text.split_ascii_whitespace().any(|word| word == FLAGGED_WORD);
    let is_hit = |category: &str| flagged && category == FLAGGED_CATEGORY;
    let fields = |value: &dyn Fn(&str) -> &'static str| {
        CATEGORIES.map(|category| format!(r#""{category}":{}"#, value(category))).join(",")
    };
    let categories = fields(&|category| if is_hit(category) { "true" } else { "false" });
    let scores = fields(&|category| if is_hit(category) { "0.9375" } else { "0.0009765625" });
    let input_types = fields(&|_| r#"["text"]"#);
    format!(
        r#"{{"flagged":{flagged},"categories":{{{categories}}},"category_scores":{{{scores}}},"category_applied_input_types":{{{input_types}}}}}"#
    )
}
