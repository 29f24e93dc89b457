//! Reranking as vLLM and Jina do it. A document's score is the part of the query's words that it holds.

use std::borrow::Cow;
use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Deserialize;

use crate::behaviour::UsageMode;
use crate::call::{self, Accepted, Asked, Call};
use crate::json::{json_answer, json_string};
use crate::usage::HUGE_TOKENS;
use crate::words::Words;

#[derive(Debug, Deserialize)]
struct RerankRequest<'a> {
    #[serde(default, borrow)]
    model: Cow<'a, str>,
    query: String,
    documents: Vec<Document>,
    #[serde(default)]
    top_n: Option<usize>,
    #[serde(default)]
    return_documents: Option<bool>,
    #[serde(default, borrow)]
    user: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Document {
    Text(String),
    Object { text: String },
}

impl Document {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Object { text } => text,
        }
    }
}

impl<'a> Asked<'a> for RerankRequest<'a> {
    fn read(call: &'a Call) -> Result<Self, String> {
        serde_json::from_slice(&call.body).map_err(|error| error.to_string())
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The query is read once with each document.
    fn input_tokens(&self) -> u64 {
        let query = Words::of_text(&self.query).count;
        self.documents.iter().map(|document| query + Words::of_text(document.text()).count).sum()
    }
}

pub(crate) async fn serve(call: Call) -> HttpResponse {
    call::serve(&call, |call, accepted: Accepted<RerankRequest<'_>>| {
        let body = result(call.state.next_id(), &accepted.asked, accepted.behaviour.usage);
        accepted.complete(0, json_answer(StatusCode::OK, body))
    })
    .await
}

fn result(id: u64, asked: &RerankRequest<'_>, usage: UsageMode) -> String {
    let query: BTreeSet<&str> = asked.query.split_ascii_whitespace().collect();
    let mut scored: Vec<(f64, usize, &Document)> =
        asked.documents.iter().enumerate().map(|(index, one)| (score(&query, one), index, one)).collect();
    scored.sort_by(|(left, ..), (right, ..)| right.total_cmp(left));
    scored.truncate(asked.top_n.filter(|most| *most > 0).unwrap_or(usize::MAX));
    let with_documents = asked.return_documents != Some(false);
    let results: Vec<String> = scored.into_iter().map(|scored| result_object(scored, with_documents)).collect();
    let (model, results) = (json_string(&asked.model), results.join(","));
    let usage = match usage {
        UsageMode::Missing => String::new(),
        UsageMode::Huge => format!(r#""usage":{{"total_tokens":{HUGE_TOKENS}}},"#),
        _ => format!(r#""usage":{{"total_tokens":{}}},"#, asked.input_tokens()),
    };
    format!(r#"{{"id":"rerank-sim-{id}","model":{model},{usage}"results":[{results}]}}"#)
}

fn score(query: &BTreeSet<&str>, document: &Document) -> f64 {
    let words: BTreeSet<&str> = document.text().split_ascii_whitespace().collect();
    query.intersection(&words).count() as f64 / query.len().max(1) as f64
}

fn result_object((score, index, document): (f64, usize, &Document), with_document: bool) -> String {
    let document = if with_document {
        format!(r#""document":{{"text":{}}},"#, json_string(document.text()))
    } else {
        String::new()
    };
    format!(r#"{{"index":{index},{document}"relevance_score":{score:?}}}"#)
}
