//! What an answer says, decided before its first byte: the same for whole and streamed answers, and for all three APIs.

mod pieces;

use std::ops::Range;

use serde_json::value::RawValue;

use crate::behaviour::Behaviour;
use crate::text::{push_words, words_before};
use crate::tools::{self, ToolCall};
use pieces::fragments;
pub(crate) use pieces::{Part, Piece, Position};

/// A mistyped length must not take the machine's memory.
const MOST_OUTPUT_TOKENS: u64 = 1_000_000;

/// What of a request decides what is answered.
#[derive(Debug, Default)]
pub(crate) struct Wish<'a> {
    pub(crate) most_tokens: Option<u64>,
    pub(crate) tools: Option<&'a RawValue>,
    pub(crate) tool_choice: Option<&'a RawValue>,
    /// The tool was called already: only a request that demands it gets another call.
    pub(crate) after_tool_result: bool,
    /// JSON that the answer has to be.
    pub(crate) json: Option<String>,
    pub(crate) stop_words: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Words of reasoning.
    pub(crate) reasoning: u64,
    pub(crate) said: Said,
    pub(crate) ending: Ending,
}

#[derive(Debug, Clone)]
pub(crate) enum Said {
    Words(u64),
    Json(String),
    Calls(Vec<ToolCall>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    Finished,
    /// The request's limit was reached.
    Length,
    Called,
    StopWord(String),
}

impl Plan {
    pub(crate) fn new(wish: Wish<'_>, behaviour: &Behaviour) -> Result<Self, serde_json::Error> {
        let most = wish.most_tokens.unwrap_or(u64::MAX).min(MOST_OUTPUT_TOKENS);
        let reasoning = behaviour.reasoning_tokens.min(most);
        let wanted = if wish.after_tool_result { 0 } else { behaviour.tool_calls };
        let calls = tools::calls(wish.tools, wish.tool_choice, wanted)?;
        if !calls.is_empty() {
            return Ok(Self { reasoning, said: Said::Calls(calls), ending: Ending::Called });
        }
        if let Some(json) = wish.json {
            return Ok(Self { reasoning, said: Said::Json(json), ending: Ending::Finished });
        }
        let (words, ending) = words(&wish.stop_words, behaviour.output_tokens, most - reasoning);
        Ok(Self { reasoning, said: Said::Words(words), ending })
    }

    /// Text of so many words.
    pub(crate) fn of_words(words: u64, most_tokens: Option<u64>) -> Self {
        let most = most_tokens.unwrap_or(u64::MAX).min(MOST_OUTPUT_TOKENS);
        let ending = if most < words { Ending::Length } else { Ending::Finished };
        Self { reasoning: 0, said: Said::Words(words.min(most)), ending }
    }

    /// The sum over all pieces.
    pub(crate) fn output_tokens(&self) -> u64 {
        let said = match &self.said {
            Said::Words(words) => *words,
            Said::Json(json) => fragments(json),
            Said::Calls(calls) => calls.iter().map(|call| 1 + fragments(&call.arguments)).sum(),
        };
        self.reasoning + said
    }

    pub(crate) fn reasoning_text(&self) -> String {
        text_of_words(&(0..self.reasoning))
    }

    /// Empty where tools are called.
    pub(crate) fn text(&self) -> String {
        match &self.said {
            Said::Words(words) => text_of_words(&(0..*words)),
            Said::Json(json) => json.clone(),
            Said::Calls(_) => String::new(),
        }
    }

    pub(crate) fn calls(&self) -> &[ToolCall] {
        match &self.said {
            Said::Calls(calls) => calls,
            Said::Words(_) | Said::Json(_) => &[],
        }
    }
}

/// How many words there are, and why not more.
fn words(stop_words: &[String], wanted: u64, most: u64) -> (u64, Ending) {
    let wanted = wanted.min(MOST_OUTPUT_TOKENS);
    let stops = stop_words.iter().filter_map(|stop| Some((words_before(stop)?, stop)));
    match stops.min().filter(|(before, _)| *before < wanted.min(most)) {
        Some((before, stop)) => (before, Ending::StopWord(stop.clone())),
        None if most < wanted => (most, Ending::Length),
        None => (wanted, Ending::Finished),
    }
}

fn text_of_words(words: &Range<u64>) -> String {
    let mut text = String::new();
    push_words(&mut text, words.start, words.end - words.start);
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_counts_towards_the_limit() {
        let behaviour = Behaviour { reasoning_tokens: 3, output_tokens: 10, ..Behaviour::default() };
        let plan = Plan::new(Wish { most_tokens: Some(5), ..Wish::default() }, &behaviour).unwrap();
        assert_eq!((plan.output_tokens(), plan.ending), (5, Ending::Length));
    }

    #[test]
    fn a_stop_word_ends_the_text_before_it() {
        let stop_words = vec!["carry".to_owned(), "rivers".to_owned(), "never".to_owned()];
        let plan = Plan::new(Wish { stop_words, ..Wish::default() }, &Behaviour::default()).unwrap();
        assert_eq!((plan.text().as_str(), plan.ending), ("steady ", Ending::StopWord("rivers".to_owned())));
    }
}
