//! A streamed message: its start with the input's usage, content blocks one after the other, its end with the output's.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Outline, SIGNATURE};
use crate::behaviour::{Behaviour, StreamFault, UsageMode};
use crate::frames::Frames;
use crate::json::json_string;
use crate::plan::{Part, Piece, Position};
use crate::stream::{Chunks, Event, Script};
use crate::usage::HUGE_TOKENS;

/// What the output counts before anything was said.
const FIRST_OUTPUT_TOKENS: u64 = 1;

pub(super) struct MessagesScript {
    outline: Outline,
    behaviour: Arc<Behaviour>,
    frames: Frames,
    /// What comes before the next step.
    ready: VecDeque<Event>,
    step: Step,
    position: Position,
    chunks: Chunks,
    open_block: Option<Part>,
    /// Blocks that were opened.
    blocks: u64,
    sent_tokens: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Start,
    Content,
    End,
}

impl Script for MessagesScript {
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

impl MessagesScript {
    pub(super) fn new(outline: Outline, behaviour: Arc<Behaviour>) -> Self {
        Self {
            outline,
            frames: Frames::new(behaviour.framing),
            behaviour,
            ready: VecDeque::new(),
            step: Step::Start,
            position: Position::default(),
            chunks: Chunks::default(),
            open_block: None,
            blocks: 0,
            sent_tokens: 0,
        }
    }

    fn start(&mut self) {
        let usage = self.outline.usage(&self.behaviour, FIRST_OUTPUT_TOKENS);
        let (id, model) = (self.outline.id, &self.outline.model);
        let message = format!(
            r#"{{"type":"message_start","message":{{"id":"msg_sim_{id}","type":"message","role":"assistant","model":{model},"content":[],"stop_reason":null,"stop_sequence":null{usage}}}}}"#
        );
        self.push("message_start", &message);
        self.step = Step::Content;
    }

    fn content(&mut self) {
        let piece = self.outline.plan.next_piece(&mut self.position, self.behaviour.words_per_chunk);
        if let Some(fault) = self.chunks.due_fault(&self.behaviour, piece.is_none()) {
            return self.fault(fault);
        }
        match piece {
            Some(piece) => self.say(&piece),
            None => self.end(),
        }
    }

    fn say(&mut self, piece: &Piece) {
        self.enter_block(piece.part());
        let text = json_string(&self.outline.plan.piece_text(piece));
        let delta = match piece {
            Piece::Reasoning(_) => format!(r#"{{"type":"thinking_delta","thinking":{text}}}"#),
            Piece::Words(_) | Piece::Json(_) => format!(r#"{{"type":"text_delta","text":{text}}}"#),
            Piece::CallStart(_) | Piece::Arguments(..) => {
                format!(r#"{{"type":"input_json_delta","partial_json":{text}}}"#)
            }
        };
        let tokens = piece.tokens();
        self.sent_tokens += tokens;
        let frame = self.delta_frame(&delta);
        self.ready.push_back(self.chunks.event(&self.behaviour, frame, tokens));
    }

    /// Closes the block before, if it is another one.
    fn enter_block(&mut self, part: Part) {
        if self.open_block == Some(part) {
            return;
        }
        self.close_block();
        let block = match part {
            Part::Reasoning => r#"{"type":"thinking","thinking":"","signature":""}"#.to_owned(),
            Part::Text => r#"{"type":"text","text":""}"#.to_owned(),
            Part::Call(index) => {
                let name = self.outline.plan.calls().get(index).map(|call| json_string(&call.name));
                let (id, name) = (self.outline.tool_id(index), name.unwrap_or_default());
                format!(r#"{{"type":"tool_use","id":"{id}","name":{name},"input":{{}}}}"#)
            }
        };
        let index = self.blocks;
        let start = format!(r#"{{"type":"content_block_start","index":{index},"content_block":{block}}}"#);
        self.push("content_block_start", &start);
        if index == 0 {
            self.push("ping", r#"{"type":"ping"}"#);
        }
        self.blocks += 1;
        self.open_block = Some(part);
    }

    fn close_block(&mut self) {
        let Some(part) = self.open_block.take() else { return };
        if part == Part::Reasoning {
            let frame = self.delta_frame(&format!(r#"{{"type":"signature_delta","signature":"{SIGNATURE}"}}"#));
            self.ready.push_back(Event::at_once(frame));
        }
        let index = self.blocks.saturating_sub(1);
        self.push("content_block_stop", &format!(r#"{{"type":"content_block_stop","index":{index}}}"#));
    }

    fn end(&mut self) {
        self.step = Step::End;
        if self.blocks == 0 {
            self.enter_block(Part::Text);
        }
        self.close_block();
        if self.behaviour.stream_fault == Some(StreamFault::NoFinishReason) {
            return;
        }
        let usage = match self.behaviour.usage {
            UsageMode::Missing => String::new(),
            UsageMode::Huge => format!(r#","usage":{{"output_tokens":{HUGE_TOKENS}}}"#),
            _ => format!(r#","usage":{{"output_tokens":{}}}"#, self.sent_tokens),
        };
        let stop = self.outline.stop();
        self.push("message_delta", &format!(r#"{{"type":"message_delta","delta":{{{stop}}}{usage}}}"#));
        self.push("message_stop", r#"{"type":"message_stop"}"#);
    }

    fn fault(&mut self, fault: StreamFault) {
        let event = match fault {
            StreamFault::Cut => Event::Cut,
            StreamFault::Stall => Event::Stall,
            _ => {
                let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
                Event::ErrorFrame(self.frames.event("error", error).into())
            }
        };
        self.step = Step::End;
        self.ready.push_back(event);
    }

    fn delta_frame(&mut self, delta: &str) -> String {
        let index = self.blocks.saturating_sub(1);
        let data = format!(r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#);
        self.frames.event("content_block_delta", &data)
    }

    fn push(&mut self, name: &str, data: &str) {
        let frame = self.frames.event(name, data);
        self.ready.push_back(Event::at_once(frame));
    }
}
