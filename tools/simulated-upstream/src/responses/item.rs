//! The output items of a response.

use crate::json::json_string;
use crate::plan::{Part, Plan};
use crate::tools::ToolCall;

#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: String,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// The summary's text.
    Reasoning(String),
    Message(String),
    Call {
        id: String,
        call: ToolCall,
    },
}

/// In the order of the plan's parts. There is always a last one that is not reasoning.
pub(super) fn items(plan: &Plan, response: u64) -> Vec<Item> {
    let mut items = Vec::new();
    if plan.reasoning > 0 {
        items.push(Item { id: format!("rs_sim_{response}"), content: Content::Reasoning(plan.reasoning_text()) });
    }
    if plan.calls().is_empty() {
        items.push(Item { id: format!("msg_sim_{response}"), content: Content::Message(plan.text()) });
    }
    items.extend(plan.calls().iter().enumerate().map(|(index, call)| Item {
        id: format!("fc_sim_{response}_{index}"),
        content: Content::Call { id: format!("call_sim_{response}_{index}"), call: call.clone() },
    }));
    items
}

/// Which item a part of the plan is.
pub(super) fn index_of(plan: &Plan, part: Part) -> usize {
    let after_reasoning = usize::from(plan.reasoning > 0);
    match part {
        Part::Reasoning => 0,
        Part::Text => after_reasoning,
        Part::Call(call) => after_reasoning + call,
    }
}

impl Item {
    /// As it is announced.
    pub(super) fn opened(&self) -> String {
        let id = &self.id;
        match &self.content {
            Content::Reasoning(_) => format!(r#"{{"id":"{id}","type":"reasoning","summary":[]}}"#),
            Content::Message(_) => {
                format!(r#"{{"id":"{id}","type":"message","status":"in_progress","role":"assistant","content":[]}}"#)
            }
            Content::Call { id: call_id, call } => call_object(id, call_id, call, "", "in_progress"),
        }
    }

    /// `status` is `completed` or `incomplete`.
    pub(super) fn finished(&self, status: &str) -> String {
        let id = &self.id;
        match &self.content {
            Content::Reasoning(text) => {
                format!(r#"{{"id":"{id}","type":"reasoning","summary":[{}]}}"#, summary_part(text))
            }
            Content::Message(text) => format!(
                r#"{{"id":"{id}","type":"message","status":"{status}","role":"assistant","content":[{}]}}"#,
                text_part(text)
            ),
            Content::Call { id: call_id, call } => call_object(id, call_id, call, &call.arguments, status),
        }
    }

    /// The event that announces its part, for items which have parts: name and fields.
    pub(super) fn opened_part(&self) -> Option<(&'static str, String)> {
        match &self.content {
            Content::Reasoning(_) => Some(("response.reasoning_summary_part.added", summary_place(&summary_part("")))),
            Content::Message(_) => Some(("response.content_part.added", content_place(&text_part("")))),
            Content::Call { .. } => None,
        }
    }

    /// The events before the item is done, each with name and fields.
    pub(super) fn endings(&self) -> Vec<(&'static str, String)> {
        match &self.content {
            Content::Reasoning(text) => {
                let whole = format!(r#""summary_index":0,"text":{}"#, json_string(text));
                let part = summary_place(&summary_part(text));
                vec![("response.reasoning_summary_text.done", whole), ("response.reasoning_summary_part.done", part)]
            }
            Content::Message(text) => {
                let whole = format!(r#""content_index":0,"logprobs":[],"text":{}"#, json_string(text));
                let part = content_place(&text_part(text));
                vec![("response.output_text.done", whole), ("response.content_part.done", part)]
            }
            Content::Call { call, .. } => {
                let (name, arguments) = (json_string(&call.name), json_string(&call.arguments));
                let fields = format!(r#""name":{name},"arguments":{arguments}"#);
                vec![("response.function_call_arguments.done", fields)]
            }
        }
    }
}

fn text_part(text: &str) -> String {
    format!(r#"{{"type":"output_text","text":{},"annotations":[],"logprobs":[]}}"#, json_string(text))
}

fn summary_part(text: &str) -> String {
    format!(r#"{{"type":"summary_text","text":{}}}"#, json_string(text))
}

fn call_object(id: &str, call_id: &str, call: &ToolCall, arguments: &str, status: &str) -> String {
    let (name, arguments) = (json_string(&call.name), json_string(arguments));
    format!(
        r#"{{"id":"{id}","type":"function_call","status":"{status}","call_id":"{call_id}","name":{name},"arguments":{arguments}}}"#
    )
}

fn content_place(part: &str) -> String {
    format!(r#""content_index":0,"part":{part}"#)
}

fn summary_place(part: &str) -> String {
    format!(r#""summary_index":0,"part":{part}"#)
}
