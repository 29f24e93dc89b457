//! A streamed response: its start, its items one after the other, its end with the whole object.

use std::collections::VecDeque;
use std::sync::Arc;

use super::item::index_of;
use super::kept::KeptResponses;
use super::object::{End, Outline};
use crate::behaviour::{Behaviour, ResponseEnd, StreamFault};
use crate::frames::Frames;
use crate::json::json_string;
use crate::plan::{Part, Piece, Position};
use crate::stream::{Chunks, Event, Script};

pub(super) struct ResponseScript {
    outline: Outline,
    behaviour: Arc<Behaviour>,
    /// `None` for a response that is not to be kept.
    kept: Option<Arc<KeptResponses>>,
    frames: Frames,
    /// What comes before the next step.
    ready: VecDeque<Event>,
    step: Step,
    position: Position,
    chunks: Chunks,
    /// Items that were opened; the last one may be open still.
    opened: usize,
    is_open: bool,
    sequence_number: u64,
    sent_tokens: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Start,
    Content,
    End,
}

impl Script for ResponseScript {
    fn next(&mut self) -> Option<Event> {
        while self.ready.is_empty() {
            match self.step {
                Step::Start => self.start(),
                Step::Content => self.content(),
                Step::End => return None,
            }
        }
        self.ready.pop_front()
    }
}

impl ResponseScript {
    pub(super) fn new(outline: Outline, behaviour: Arc<Behaviour>, kept: Option<Arc<KeptResponses>>) -> Self {
        Self {
            outline,
            frames: Frames::new(behaviour.framing),
            behaviour,
            kept,
            ready: VecDeque::new(),
            step: Step::Start,
            position: Position::default(),
            chunks: Chunks::default(),
            opened: 0,
            is_open: false,
            sequence_number: 0,
            sent_tokens: 0,
        }
    }

    fn start(&mut self) {
        let response = format!(r#""response":{}"#, self.outline.without_output("in_progress"));
        self.push("response.created", &response);
        self.push("response.in_progress", &response);
        self.step = Step::Content;
    }

    fn content(&mut self) {
        let piece = self.outline.plan.next_piece(&mut self.position, self.behaviour.words_per_chunk);
        if let Some(fault) = self.chunks.due_fault(&self.behaviour, piece.is_none()) {
            return self.fault(fault);
        }
        if self.fails_now(piece.is_none()) {
            return self.end(End::Failed);
        }
        match piece {
            Some(piece) => self.say(&piece),
            None => self.finish(),
        }
    }

    fn fails_now(&self, at_end: bool) -> bool {
        let fails = self.behaviour.response_end == Some(ResponseEnd::Failed);
        fails && (at_end || self.chunks.sent() >= self.behaviour.fault_after_chunks)
    }

    fn say(&mut self, piece: &Piece) {
        let tokens = piece.tokens();
        self.sent_tokens += tokens;
        let index = index_of(&self.outline.plan, piece.part());
        if let Piece::CallStart(_) = piece {
            // Its announcement is all there is to say.
            self.close_item("completed");
            return self.open_item(tokens);
        }
        if !self.is_open || self.opened != index + 1 {
            self.close_item("completed");
            self.open_item(0);
        }
        let (name, place) = match piece.part() {
            Part::Reasoning => ("response.reasoning_summary_text.delta", r#""summary_index":0,"#),
            Part::Text => ("response.output_text.delta", r#""content_index":0,"logprobs":[],"#),
            Part::Call(_) => ("response.function_call_arguments.delta", ""),
        };
        let delta = json_string(&self.outline.plan.piece_text(piece));
        let fields = format!(r#"{},{place}"delta":{delta}"#, self.item_place());
        let frame = self.frame(name, &fields);
        self.ready.push_back(self.chunks.event(&self.behaviour, frame, tokens));
    }

    /// The next one; `tokens` are sent with its announcement.
    fn open_item(&mut self, tokens: u64) {
        let Some(item) = self.outline.items.get(self.opened) else { return };
        let fields = format!(r#""output_index":{},"item":{}"#, self.opened, item.opened());
        let part = item.opened_part();
        self.opened += 1;
        self.is_open = true;
        let frame = self.frame("response.output_item.added", &fields);
        let is_content = tokens > 0;
        let event = if is_content { self.chunks.event(&self.behaviour, frame, tokens) } else { Event::at_once(frame) };
        self.ready.push_back(event);
        if let Some((name, part)) = part {
            self.push(name, &format!("{},{part}", self.item_place()));
        }
    }

    fn close_item(&mut self, status: &str) {
        let index = self.opened.saturating_sub(1);
        let Some(item) = self.outline.items.get(index).filter(|_| self.is_open) else { return };
        let done = format!(r#""output_index":{index},"item":{}"#, item.finished(status));
        let endings = item.endings();
        let place = self.item_place();
        for (name, fields) in endings {
            self.push(name, &format!("{place},{fields}"));
        }
        self.push("response.output_item.done", &done);
        self.is_open = false;
    }

    /// Everything was said.
    fn finish(&mut self) {
        let incomplete = self.behaviour.response_end == Some(ResponseEnd::Incomplete);
        let end = if incomplete { End::Incomplete } else { self.outline.usual_end() };
        if self.opened == 0 {
            self.open_item(0);
        }
        self.close_item(end.name());
        self.end(end);
    }

    fn end(&mut self, end: End) {
        self.step = Step::End;
        if self.behaviour.stream_fault == Some(StreamFault::NoFinishReason) {
            return;
        }
        let object = self.outline.ended(end, &self.behaviour, self.sent_tokens);
        self.push(&format!("response.{}", end.name()), &format!(r#""response":{object}"#));
        if let Some(kept) = &self.kept {
            kept.change(&self.outline.id, object);
        }
    }

    fn fault(&mut self, fault: StreamFault) {
        let event = match fault {
            StreamFault::Cut => Event::Cut,
            StreamFault::Stall => Event::Stall,
            _ => {
                let error = r#""code":"server_error","message":"The engine has failed.","param":null"#;
                Event::ErrorFrame(self.frame("error", error).into())
            }
        };
        self.step = Step::End;
        self.ready.push_back(event);
    }

    /// Of the item that was opened last.
    fn item_place(&self) -> String {
        let index = self.opened.saturating_sub(1);
        let id = self.outline.items.get(index).map(|item| item.id.as_str()).unwrap_or_default();
        format!(r#""item_id":"{id}","output_index":{index}"#)
    }

    fn push(&mut self, name: &str, fields: &str) {
        let frame = self.frame(name, fields);
        self.ready.push_back(Event::at_once(frame));
    }

    fn frame(&mut self, name: &str, fields: &str) -> String {
        let number = self.sequence_number;
        self.sequence_number += 1;
        self.frames.event(name, &format!(r#"{{"type":"{name}","sequence_number":{number},{fields}}}"#))
    }
}
