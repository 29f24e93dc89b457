//! The pieces in which a streamed answer is sent.

use std::ops::Range;

use super::{Plan, Said, text_of_words};
use crate::tools::ToolCall;

/// Of JSON: each fragment counts as one token.
const FRAGMENT_BYTES: usize = 12;

/// The part of an answer that is sent at once in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Reasoning(Range<u64>),
    Words(Range<u64>),
    Json(Range<usize>),
    CallStart(usize),
    Arguments(usize, Range<usize>),
}

/// What belongs together in an answer: a content block, an output item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Reasoning,
    Text,
    Call(usize),
}

/// How far a stream is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Position {
    reasoning: u64,
    words: u64,
    json: usize,
    call: usize,
    call_started: bool,
    argument: usize,
}

impl Plan {
    /// What a piece adds: words, or a fragment of JSON; nothing for the start of a call.
    pub(crate) fn piece_text(&self, piece: &Piece) -> String {
        match (piece, &self.said) {
            (Piece::Reasoning(words) | Piece::Words(words), _) => text_of_words(words),
            (Piece::Json(range), Said::Json(json)) => json.get(range.clone()).unwrap_or_default().to_owned(),
            (Piece::Arguments(call, range), Said::Calls(calls)) => {
                let arguments = calls.get(*call).and_then(|call| call.arguments.get(range.clone()));
                arguments.unwrap_or_default().to_owned()
            }
            _ => String::new(),
        }
    }

    /// The piece at `position`, which moves behind it. `None` at the end.
    pub(crate) fn next_piece(&self, position: &mut Position, words_per_chunk: u64) -> Option<Piece> {
        if position.reasoning < self.reasoning {
            return Some(Piece::Reasoning(next_words(&mut position.reasoning, self.reasoning, words_per_chunk)));
        }
        match &self.said {
            Said::Words(words) if position.words < *words => {
                Some(Piece::Words(next_words(&mut position.words, *words, words_per_chunk)))
            }
            Said::Words(_) => None,
            Said::Json(json) => next_fragment(json, &mut position.json).map(Piece::Json),
            Said::Calls(calls) => next_call_piece(calls, position),
        }
    }
}

impl Piece {
    pub(crate) fn tokens(&self) -> u64 {
        match self {
            Self::Reasoning(words) | Self::Words(words) => words.end - words.start,
            Self::Json(_) | Self::CallStart(_) | Self::Arguments(..) => 1,
        }
    }

    pub(crate) fn part(&self) -> Part {
        match self {
            Self::Reasoning(_) => Part::Reasoning,
            Self::Words(_) | Self::Json(_) => Part::Text,
            Self::CallStart(call) | Self::Arguments(call, _) => Part::Call(*call),
        }
    }
}

fn next_words(position: &mut u64, end: u64, count: u64) -> Range<u64> {
    let start = *position;
    *position = start.saturating_add(count.max(1)).min(end);
    start..*position
}

fn next_fragment(json: &str, position: &mut usize) -> Option<Range<usize>> {
    let start = *position;
    if start >= json.len() {
        return None;
    }
    *position = json.ceil_char_boundary(start + FRAGMENT_BYTES);
    Some(start..*position)
}

/// How many fragments a JSON text has.
pub(super) fn fragments(json: &str) -> u64 {
    let mut position = 0;
    std::iter::from_fn(|| next_fragment(json, &mut position)).count() as u64
}

fn next_call_piece(calls: &[ToolCall], position: &mut Position) -> Option<Piece> {
    let call = calls.get(position.call)?;
    if !position.call_started {
        position.call_started = true;
        return Some(Piece::CallStart(position.call));
    }
    if let Some(range) = next_fragment(&call.arguments, &mut position.argument) {
        return Some(Piece::Arguments(position.call, range));
    }
    position.call += 1;
    position.call_started = false;
    position.argument = 0;
    next_call_piece(calls, position)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Ending;
    use super::*;

    fn pieces(plan: &Plan) -> Vec<Piece> {
        let mut position = Position::default();
        std::iter::from_fn(|| plan.next_piece(&mut position, 1)).collect()
    }

    #[test]
    fn the_pieces_together_are_the_answer_and_its_tokens() {
        let call =
            |name: &str| ToolCall { name: name.to_owned(), arguments: r#"{"city":"Zürich, Genève"}"#.to_owned() };
        for said in [Said::Words(9), Said::Json(call("a").arguments), Said::Calls(vec![call("a"), call("b")])] {
            let plan = Plan { reasoning: 2, said, ending: Ending::Finished };
            let pieces = pieces(&plan);
            assert_eq!(pieces.iter().map(Piece::tokens).sum::<u64>(), plan.output_tokens());
            let text: String = pieces.iter().map(|piece| plan.piece_text(piece)).collect();
            let arguments: String = plan.calls().iter().map(|call| call.arguments.as_str()).collect();
            assert_eq!(text, plan.reasoning_text() + &plan.text() + &arguments);
        }
    }
}
