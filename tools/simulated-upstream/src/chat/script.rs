//! A streamed answer: role, content, finish reason, usage, `[DONE]`.

use std::fmt::Write;
use std::sync::Arc;

use super::Outline;
use super::delta::push_piece;
use super::request::StreamOptions;
use crate::azure::prompt_filter_chunk;
use crate::behaviour::{Behaviour, StreamFault, UsageMode};
use crate::dialect::Dialect;
use crate::errors::Refusal;
use crate::frames::Frames;
use crate::operation::Operation;
use crate::plan::{Piece, Position, Said};
use crate::stream::{Chunks, Event, Script};
use crate::usage::{TokenCounts, push_usage};

pub(super) struct ChatScript {
    outline: Outline,
    behaviour: Arc<Behaviour>,
    head: String,
    frames: Frames,
    include_usage: bool,
    running_usage: bool,
    step: Step,
    position: Position,
    /// Goes to this choice and to all after it.
    piece: Option<(Piece, u64)>,
    chunks: Chunks,
    sent_tokens: u64,
    sent_reasoning: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    PromptFilter,
    /// Of the choice with this number.
    Role(u64),
    Content,
    Finish(u64),
    Usage,
    Done,
    End,
}

impl Script for ChatScript {
    fn next(&mut self) -> Option<Event> {
        loop {
            match self.step {
                Step::PromptFilter => {
                    let is_chat = self.outline.operation != Operation::Completions;
                    self.step = if is_chat { Step::Role(0) } else { Step::Content };
                    if self.outline.azure {
                        return Some(Event::at_once(self.frames.data(&prompt_filter_chunk())));
                    }
                }
                Step::Role(choice) if choice < self.outline.choices => {
                    self.step = Step::Role(choice + 1);
                    return Some(Event::at_once(self.role_frame(choice)));
                }
                Step::Role(_) => self.step = Step::Content,
                Step::Content => match self.content() {
                    Some(event) => return Some(event),
                    None if self.behaviour.stream_fault == Some(StreamFault::NoFinishReason) => self.step = Step::End,
                    None => self.step = Step::Finish(0),
                },
                Step::Finish(choice) if choice < self.outline.choices => {
                    self.step = Step::Finish(choice + 1);
                    return Some(Event::at_once(self.finish_frame(choice)));
                }
                Step::Finish(_) => self.step = Step::Usage,
                Step::Usage => {
                    self.step = Step::Done;
                    if self.ends_with_usage() {
                        return Some(Event::at_once(self.usage_frame()));
                    }
                }
                Step::Done => {
                    self.step = Step::End;
                    if self.behaviour.stream_fault != Some(StreamFault::NoDone) {
                        return Some(Event::at_once(self.frames.data("[DONE]")));
                    }
                }
                Step::End => return None,
            }
        }
    }
}

impl ChatScript {
    pub(super) fn new(outline: Outline, options: Option<&StreamOptions>, behaviour: Arc<Behaviour>) -> Self {
        let reports = behaviour.usage != UsageMode::Missing;
        let include_usage = options.and_then(|options| options.include_usage).unwrap_or(false);
        let continuous = options.and_then(|options| options.continuous_usage_stats).unwrap_or(false);
        Self {
            head: outline.head(true),
            frames: Frames::new(behaviour.framing),
            include_usage: include_usage && reports,
            running_usage: behaviour.usage == UsageMode::Cumulative || (continuous && reports),
            step: Step::PromptFilter,
            position: Position::default(),
            piece: None,
            chunks: Chunks::default(),
            sent_tokens: 0,
            sent_reasoning: 0,
            outline,
            behaviour,
        }
    }

    /// `None` when everything was said.
    fn content(&mut self) -> Option<Event> {
        let (piece, choice) = match self.piece.take() {
            Some(pending) => pending,
            None => {
                let piece = self.outline.plan.next_piece(&mut self.position, self.behaviour.words_per_chunk);
                if let Some(fault) = self.chunks.due_fault(&self.behaviour, piece.is_none()) {
                    return Some(self.fault(fault));
                }
                (piece?, 0)
            }
        };
        let tokens = piece.tokens();
        self.sent_tokens += tokens;
        if matches!(piece, Piece::Reasoning(_)) {
            self.sent_reasoning += tokens;
        }
        let mut fields = String::with_capacity(96);
        push_piece(&mut fields, &self.outline, &self.behaviour, &piece, choice);
        let frame = self.choice_frame(choice, &fields, None);
        if choice + 1 < self.outline.choices {
            self.piece = Some((piece, choice + 1));
        }
        Some(self.chunks.event(&self.behaviour, frame, tokens))
    }

    fn fault(&mut self, fault: StreamFault) -> Event {
        match fault {
            StreamFault::Cut => Event::Cut,
            StreamFault::Stall => Event::Stall,
            _ => {
                self.step = Step::End;
                let error = Refusal::internal();
                let json = error.json(Dialect::OpenAi, self.behaviour.flat_errors);
                Event::ErrorFrame(self.frames.data(&json).into())
            }
        }
    }

    fn role_frame(&mut self, choice: u64) -> String {
        let content = if matches!(self.outline.plan.said, Said::Calls(_)) { "null" } else { "\"\"" };
        let delta = format!(r#""delta":{{"role":"assistant","content":{content}}}"#);
        self.choice_frame(choice, &delta, None)
    }

    fn finish_frame(&mut self, choice: u64) -> String {
        let empty = if self.outline.operation == Operation::Completions { r#""text":"""# } else { r#""delta":{}"# };
        let reason = self.outline.finish_reason();
        self.choice_frame(choice, empty, Some(reason))
    }

    fn choice_frame(&mut self, choice: u64, fields: &str, finish_reason: Option<&str>) -> String {
        let mut data = String::with_capacity(self.head.len() + fields.len() + 160);
        data.push_str(&self.head);
        let filters = if self.outline.azure { r#","content_filter_results":{}"# } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(data, r#""choices":[{{"index":{choice},{fields},"logprobs":null,"finish_reason":"#);
        let _ = match finish_reason {
            Some(reason) => write!(data, r#""{reason}"{filters}}}]"#),
            None => write!(data, "null{filters}}}]"),
        };
        if self.running_usage {
            data.push(',');
            self.push_usage(&mut data);
        } else if self.include_usage {
            data.push_str(r#","usage":null"#);
        }
        data.push('}');
        self.frames.data(&data)
    }

    fn usage_frame(&mut self) -> String {
        let mut data = self.head.clone();
        if self.behaviour.usage != UsageMode::WithoutChoices {
            data.push_str(r#""choices":[],"#);
        }
        self.push_usage(&mut data);
        data.push('}');
        self.frames.data(&data)
    }

    fn push_usage(&self, into: &mut String) {
        let input = self.outline.input_tokens;
        let counts = TokenCounts::new(input, self.sent_tokens, self.sent_reasoning, &self.behaviour);
        push_usage(into, self.behaviour.usage, counts);
    }

    fn ends_with_usage(&self) -> bool {
        match self.behaviour.usage {
            UsageMode::Always => true,
            UsageMode::Cumulative | UsageMode::Missing => false,
            UsageMode::WhenAsked | UsageMode::Huge | UsageMode::Inconsistent | UsageMode::WithoutChoices => {
                self.include_usage
            }
        }
    }
}
