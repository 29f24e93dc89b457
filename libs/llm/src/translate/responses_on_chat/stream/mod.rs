//! The chunks of a chat stream as the events of a Response.
//!
//! An item's place in the output is the order in which it was added, which is also where client libraries put it. Text
//! is in `text.rs`, calls in `calls.rs`; both write into one list of items, from which the last event is made.

mod calls;
mod events;
mod pieces;
mod text;

use bytes::Bytes;
use events::{Events, ItemEvent, ResponseEvent, TextKind};
use pieces::Calls;
use text::OpenText;

use super::{
    ResponseSettings,
    answer::text_part,
    items::{ItemStatus, OutputItem},
    response::{Response, ResponseError, Standing},
};
use crate::{
    error::{ApiErrorCode, ErrorBody},
    stream::PING_FRAME,
    translate::{
        ChatTranslator,
        chat::{ChatChunk, ChatContent, ChatMessage, ChatUsage},
    },
};

/// The last event repeats the whole output, so it must be kept; an upstream that never stops must not fill the memory.
const MAX_KEPT_BYTES: usize = 16 << 20;

/// What an item or a part weighs beside its text.
const ITEM_WEIGHT: usize = 512;

/// Says a chat stream as the events of a Response. Use it behind [`crate::translate::TranslatedStream`].
///
/// The stream begins with `response.created` at the first chunk (or error) and ends with exactly one of
/// `response.completed`, `response.incomplete` and `response.failed`. The last also ends an answer of more than 16 MiB.
#[derive(Debug)]
pub struct Translator {
    settings: ResponseSettings,
    events: Events,
    phase: Phase,
    /// All items that were added, in their places.
    output: Vec<OutputItem>,
    open_text: Option<OpenText>,
    calls: Calls,
    finish_reason: Option<String>,
    usage: Option<ChatUsage>,
    kept_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Silent,
    Open,
    Ended,
}

impl Translator {
    pub fn new(settings: ResponseSettings) -> Self {
        Self {
            settings,
            events: Events::default(),
            phase: Phase::Silent,
            output: Vec::new(),
            open_text: None,
            calls: Calls::default(),
            finish_reason: None,
            usage: None,
            kept_bytes: 0,
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.phase == Phase::Silent {
            self.phase = Phase::Open;
            self.write_response("response.created", Standing::InProgress, out);
            self.write_response("response.in_progress", Standing::InProgress, out);
        }
    }

    fn write_response(&mut self, name: &'static str, standing: Standing<'_>, out: &mut Vec<u8>) {
        let usage = self.usage.filter(|_| standing != Standing::InProgress);
        let response = Response::new(&self.settings, standing, &self.output, usage);
        self.events.write(out, name, ResponseEvent { response });
    }

    fn delta(&mut self, delta: &ChatMessage, out: &mut Vec<u8>) {
        if let Some(text) = delta.reasoning_text() {
            self.text(TextKind::Reasoning, text, out);
        }
        match &delta.content {
            Some(ChatContent::Text(text)) => self.text(TextKind::Output, text, out),
            Some(ChatContent::Parts(parts)) => {
                for part in parts.iter().filter_map(text_part) {
                    self.text(TextKind::of(&part), part.text(), out);
                }
            }
            None => {}
        }
        if let Some(refusal) = &delta.refusal {
            self.text(TextKind::Refusal, refusal, out);
        }
        for piece in delta.tool_calls.iter().flatten() {
            if self.phase == Phase::Open {
                self.call_piece(piece, out);
            }
        }
    }

    fn add_item(&mut self, item: OutputItem, out: &mut Vec<u8>) {
        let event = ItemEvent { output_index: self.output.len(), item: &item };
        self.events.write(out, "response.output_item.added", event);
        self.output.push(item);
    }

    fn end_item(&mut self, output_index: usize, status: ItemStatus, out: &mut Vec<u8>) {
        if let Some(item) = self.output.get_mut(output_index) {
            item.set_status(status);
            self.events.write(out, "response.output_item.done", ItemEvent { output_index, item });
        }
    }

    /// Counts what must be kept. Ends the stream when it is too much; answers whether it goes on.
    fn keep(&mut self, bytes: usize, out: &mut Vec<u8>) -> bool {
        self.kept_bytes = self.kept_bytes.saturating_add(bytes);
        if self.kept_bytes > MAX_KEPT_BYTES {
            self.fail_for_size(out);
        }
        self.phase == Phase::Open
    }

    fn fail_for_size(&mut self, out: &mut Vec<u8>) {
        let code = ApiErrorCode::UpstreamError.code();
        self.fail(ResponseError { code, message: "the upstream's answer is too large" }, out);
    }

    fn fail(&mut self, error: ResponseError<'_>, out: &mut Vec<u8>) {
        if self.phase == Phase::Ended {
            return;
        }
        self.begin(out);
        self.phase = Phase::Ended;
        self.abandon_calls();
        for item in self.output.iter_mut().filter(|item| item.status() == ItemStatus::InProgress) {
            item.set_status(ItemStatus::Incomplete);
        }
        self.write_response("response.failed", Standing::Failed(error), out);
    }
}

impl ChatTranslator for Translator {
    fn chunk(&mut self, chunk: &ChatChunk, out: &mut Vec<u8>) {
        self.begin(out);
        self.usage = chunk.usage.or(self.usage);
        // More than one choice was not asked for.
        for choice in chunk.choices.iter().filter(|choice| choice.index == 0) {
            if self.phase == Phase::Open {
                self.delta(&choice.delta, out);
            }
            if let Some(reason) = choice.finish_reason.as_ref().filter(|reason| !reason.is_empty()) {
                self.finish_reason = Some(reason.clone());
            }
        }
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        if self.phase != Phase::Open {
            return;
        }
        let finish_reason = self.finish_reason.take();
        let standing = Standing::of_finish(finish_reason.as_deref());
        self.end_text(standing.of_items(), out);
        self.end_calls(standing.of_items(), out);
        self.phase = Phase::Ended;
        let name = if standing == Standing::Completed { "response.completed" } else { "response.incomplete" };
        self.write_response(name, standing, out);
    }

    fn error(&mut self, error: &ErrorBody<'_>, out: &mut Vec<u8>) {
        self.fail(ResponseError { code: error.code, message: error.message }, out);
    }

    fn ping(&self) -> Bytes {
        PING_FRAME
    }
}
