//! A whole message.

use super::{Outline, SIGNATURE};
use crate::behaviour::{Behaviour, UsageMode};
use crate::json::json_string;
use crate::plan::Said;
use crate::usage::HUGE_TOKENS;

pub(super) fn message(outline: &Outline, behaviour: &Behaviour) -> String {
    let mut content = Vec::new();
    if outline.plan.reasoning > 0 {
        let text = outline.plan.reasoning_text();
        content.push(format!(r#"{{"type":"thinking","thinking":"{text}","signature":"{SIGNATURE}"}}"#));
    }
    match &outline.plan.said {
        Said::Words(_) | Said::Json(_) => {
            content.push(format!(r#"{{"type":"text","text":{}}}"#, json_string(&outline.plan.text())));
        }
        Said::Calls(calls) => content.extend(calls.iter().enumerate().map(|(index, call)| {
            let (id, name) = (outline.tool_id(index), json_string(&call.name));
            format!(r#"{{"type":"tool_use","id":"{id}","name":{name},"input":{}}}"#, call.arguments)
        })),
    }
    let output = if behaviour.usage == UsageMode::Huge { HUGE_TOKENS } else { outline.plan.output_tokens() };
    format!(
        r#"{{"id":"msg_sim_{}","type":"message","role":"assistant","model":{},"content":[{}],{}{}}}"#,
        outline.id,
        outline.model,
        content.join(","),
        outline.stop(),
        outline.usage(behaviour, output),
    )
}
