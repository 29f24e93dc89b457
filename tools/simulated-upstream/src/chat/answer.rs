//! A whole answer.

use std::fmt::Write;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::Outline;
use crate::azure::{SAFE, prompt_filter_results};
use crate::behaviour::{Behaviour, ReasoningField, UsageMode};
use crate::json::{json_answer, json_string};
use crate::operation::Operation;
use crate::plan::Said;
use crate::text::push_words;
use crate::usage::{TokenCounts, push_usage};

pub(super) fn result(outline: &Outline, behaviour: &Behaviour, counts: TokenCounts) -> HttpResponse {
    let mut body = outline.head(false);
    // The longest word has eight letters with its space.
    body.reserve(usize::try_from(counts.output).unwrap_or(0) * 8 + 320);
    body.push_str(r#""choices":["#);
    for choice in 0..outline.choices {
        if choice > 0 {
            body.push(',');
        }
        push_choice(&mut body, outline, behaviour, choice);
    }
    body.push(']');
    if outline.azure {
        body.push(',');
        body.push_str(&prompt_filter_results());
    }
    if behaviour.usage != UsageMode::Missing {
        body.push(',');
        push_usage(&mut body, behaviour.usage, counts);
    }
    body.push('}');
    json_answer(StatusCode::OK, body)
}

fn push_choice(body: &mut String, outline: &Outline, behaviour: &Behaviour, choice: u64) {
    // Writing to a string cannot fail.
    let _ = write!(body, r#"{{"index":{choice},"#);
    if outline.operation == Operation::Completions {
        body.push_str(r#""text":"#);
        push_content(body, &outline.plan.said);
    } else {
        push_message(body, outline, behaviour, choice);
    }
    let _ = write!(body, r#","logprobs":null,"finish_reason":"{}""#, outline.finish_reason());
    if outline.azure {
        let _ = write!(body, r#","content_filter_results":{SAFE}"#);
    }
    body.push('}');
}

fn push_message(body: &mut String, outline: &Outline, behaviour: &Behaviour, choice: u64) {
    body.push_str(r#""message":{"role":"assistant","content":"#);
    push_content(body, &outline.plan.said);
    body.push_str(r#","refusal":null"#);
    if outline.plan.reasoning > 0 {
        let name = reasoning_field(behaviour);
        let _ = write!(body, r#","{name}":"{}""#, outline.plan.reasoning_text());
    }
    if let Said::Calls(calls) = &outline.plan.said {
        let calls = calls.iter().enumerate().map(|(index, call)| {
            let (id, name, arguments) =
                (outline.call_id(choice, index), json_string(&call.name), json_string(&call.arguments));
            format!(r#"{{"id":"{id}","type":"function","function":{{"name":{name},"arguments":{arguments}}}}}"#)
        });
        let _ = write!(body, r#","tool_calls":[{}]"#, calls.collect::<Vec<_>>().join(","));
    }
    body.push('}');
}

fn push_content(body: &mut String, said: &Said) {
    match said {
        Said::Words(words) => {
            body.push('"');
            push_words(body, 0, *words);
            body.push('"');
        }
        Said::Json(json) => body.push_str(&json_string(json)),
        Said::Calls(_) => body.push_str("null"),
    }
}

pub(super) fn reasoning_field(behaviour: &Behaviour) -> &'static str {
    match behaviour.reasoning_field {
        ReasoningField::ReasoningContent => "reasoning_content",
        ReasoningField::Reasoning => "reasoning",
    }
}
