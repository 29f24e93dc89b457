//! The events: an `event:` line with the type, a `data:` line with the same type, a running number and the content.

use serde::Serialize;

use super::super::{
    items::{OutputItem, Part},
    response::Response,
};

/// Numbers the events of one stream, from 0.
#[derive(Debug, Default)]
pub(super) struct Events {
    next_number: u64,
}

impl Events {
    pub fn write(&mut self, out: &mut Vec<u8>, name: &'static str, content: impl Serialize) {
        #[derive(Serialize)]
        struct Event<T> {
            #[serde(rename = "type")]
            name: &'static str,
            sequence_number: u64,
            #[serde(flatten)]
            content: T,
        }
        let event = Event { name, sequence_number: self.next_number, content };
        self.next_number += 1;
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        // Into memory, and of nothing but strings, numbers and what was JSON before: this cannot fail.
        let _ = serde_json::to_writer(&mut *out, &event);
        out.extend_from_slice(b"\n\n");
    }
}

/// What a piece of text is, and by which events it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextKind {
    Reasoning,
    Output,
    Refusal,
}

impl TextKind {
    pub const fn of(part: &Part) -> Self {
        match part {
            Part::ReasoningText { .. } => Self::Reasoning,
            Part::OutputText { .. } => Self::Output,
            Part::Refusal { .. } => Self::Refusal,
        }
    }

    pub fn is_reasoning(self) -> bool {
        self == Self::Reasoning
    }

    pub const fn empty_part(self) -> Part {
        match self {
            Self::Reasoning => Part::ReasoningText { text: String::new() },
            Self::Output => Part::output_text(String::new()),
            Self::Refusal => Part::Refusal { refusal: String::new() },
        }
    }

    pub const fn delta_event(self) -> &'static str {
        match self {
            Self::Reasoning => "response.reasoning_text.delta",
            Self::Output => "response.output_text.delta",
            Self::Refusal => "response.refusal.delta",
        }
    }

    pub const fn done_event(self) -> &'static str {
        match self {
            Self::Reasoning => "response.reasoning_text.done",
            Self::Output => "response.output_text.done",
            Self::Refusal => "response.refusal.done",
        }
    }
}

/// Where a part of an item stands.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct PartPlace<'a> {
    pub item_id: &'a str,
    pub output_index: usize,
    pub content_index: usize,
}

#[derive(Serialize)]
pub(super) struct ResponseEvent<'a> {
    pub response: Response<'a>,
}

#[derive(Serialize)]
pub(super) struct ItemEvent<'a> {
    pub output_index: usize,
    pub item: &'a OutputItem,
}

#[derive(Serialize)]
pub(super) struct PartEvent<'a> {
    #[serde(flatten)]
    pub place: PartPlace<'a>,
    pub part: &'a Part,
}

#[derive(Serialize)]
pub(super) struct TextDelta<'a> {
    #[serde(flatten)]
    place: PartPlace<'a>,
    delta: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<[(); 0]>,
}

impl<'a> TextDelta<'a> {
    pub fn new(place: PartPlace<'a>, kind: TextKind, delta: &'a str) -> Self {
        Self { place, delta, logprobs: (kind == TextKind::Output).then_some([]) }
    }
}

/// The whole text of a part, under the name that its kind gives it.
#[derive(Serialize)]
pub(super) struct TextDone<'a> {
    #[serde(flatten)]
    place: PartPlace<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<[(); 0]>,
}

impl<'a> TextDone<'a> {
    pub fn new(place: PartPlace<'a>, part: &'a Part) -> Self {
        let nothing = Self { place, text: None, refusal: None, logprobs: None };
        match part {
            Part::OutputText { text, .. } => Self { text: Some(text), logprobs: Some([]), ..nothing },
            Part::ReasoningText { text } => Self { text: Some(text), ..nothing },
            Part::Refusal { refusal } => Self { refusal: Some(refusal), ..nothing },
        }
    }
}

#[derive(Serialize)]
pub(super) struct CallDelta<'a> {
    pub item_id: &'a str,
    pub output_index: usize,
    pub delta: &'a str,
}

#[derive(Serialize)]
pub(super) struct ArgumentsDone<'a> {
    pub item_id: &'a str,
    pub output_index: usize,
    pub name: &'a str,
    pub arguments: &'a str,
}

#[derive(Serialize)]
pub(super) struct InputDone<'a> {
    pub item_id: &'a str,
    pub output_index: usize,
    pub input: &'a str,
}
