//! What one chunk of a stream adds to a choice.

use std::fmt::Write;

use super::Outline;
use super::answer::reasoning_field;
use crate::behaviour::Behaviour;
use crate::json::json_string;
use crate::operation::Operation;
use crate::plan::Piece;
use crate::text::push_words;

/// Appends the fields of a choice that a piece brings.
pub(super) fn push_piece(into: &mut String, outline: &Outline, behaviour: &Behaviour, piece: &Piece, choice: u64) {
    // Writing to a string cannot fail.
    let _ = match piece {
        Piece::Words(words) => {
            let is_text = outline.operation == Operation::Completions;
            into.push_str(if is_text { r#""text":""# } else { r#""delta":{"content":""# });
            push_words(into, words.start, words.end - words.start);
            into.push_str(if is_text { "\"" } else { "\"}" });
            Ok(())
        }
        Piece::Reasoning(_) => {
            let (name, text) = (reasoning_field(behaviour), outline.plan.piece_text(piece));
            write!(into, r#""delta":{{"{name}":"{text}"}}"#)
        }
        Piece::Json(_) => {
            let text = json_string(&outline.plan.piece_text(piece));
            write!(into, r#""delta":{{"content":{text}}}"#)
        }
        Piece::CallStart(call) => push_call_start(into, outline, behaviour, *call, choice),
        Piece::Arguments(call, _) => {
            let index = call_index(behaviour, *call);
            let arguments = json_string(&outline.plan.piece_text(piece));
            write!(into, r#""delta":{{"tool_calls":[{{{index}"function":{{"arguments":{arguments}}}}}]}}"#)
        }
    };
}

fn push_call_start(
    into: &mut String,
    outline: &Outline,
    behaviour: &Behaviour,
    call: usize,
    choice: u64,
) -> std::fmt::Result {
    let (index, id) = (call_index(behaviour, call), outline.call_id(choice, call));
    let name = outline.plan.calls().get(call).map(|call| json_string(&call.name)).unwrap_or_default();
    write!(
        into,
        r#""delta":{{"tool_calls":[{{{index}"id":"{id}","type":"function","function":{{"name":{name},"arguments":""}}}}]}}"#
    )
}

fn call_index(behaviour: &Behaviour, call: usize) -> String {
    if behaviour.tool_calls_without_index { String::new() } else { format!(r#""index":{call},"#) }
}
