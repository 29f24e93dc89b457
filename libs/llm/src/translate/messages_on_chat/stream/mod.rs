//! The stream: chat chunks to Messages events.

mod calls;
mod events;
mod object_end;

use bytes::Bytes;

use self::{
    calls::{CallStep, Calls},
    events::{BlockStart, Delta, EndDelta, Event, write_event},
};
use super::{
    MessageSettings,
    message::{Message, Stop, Usage, refusal},
};
use crate::{
    error::ErrorBody,
    stream::MESSAGES_PING_FRAME,
    translate::{
        ChatTranslator,
        chat::{ChatChunk, ChatContent, ChatMessage, ChatPart, ChatToolCall, ChatUsage},
    },
};

/// A chat stream in Messages events: `https://docs.claude.com/en/docs/build-with-claude/streaming`.
///
/// Blocks follow each other with rising numbers, as clients expect it: a block is closed before the next one opens. Only
/// where an upstream mixes text into a call that it has not finished do two blocks overlap. Of several choices the first
/// is told. What the input was is known at the end, so `message_start` says zero and `message_delta` the counts.
#[derive(Debug)]
pub struct Translator {
    settings: MessageSettings,
    started: bool,
    /// The number that the next block gets.
    next_block: u64,
    prose: Option<OpenProse>,
    calls: Calls,
    stop: Stop,
    usage: Option<ChatUsage>,
}

/// The open block of text or thinking.
#[derive(Debug, Clone, Copy)]
struct OpenProse {
    block: u64,
    kind: Prose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prose {
    Thinking,
    Text,
}

impl Translator {
    pub fn new(settings: MessageSettings) -> Self {
        Self {
            calls: Calls::new(settings.message_id.clone()),
            settings,
            started: false,
            next_block: 0,
            prose: None,
            stop: Stop::default(),
            usage: None,
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let message = Message {
            id: &self.settings.message_id,
            kind: "message",
            role: "assistant",
            model: &self.settings.client_model,
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            usage: Usage::from_chat(self.usage.as_ref()),
        };
        write_event(out, &Event::MessageStart { message });
    }

    fn delta(&mut self, delta: &ChatMessage, out: &mut Vec<u8>) {
        if let Some(thinking) = delta.reasoning_text() {
            self.say(Prose::Thinking, thinking, out);
        }
        match &delta.content {
            Some(ChatContent::Text(text)) => self.say(Prose::Text, text, out),
            Some(ChatContent::Parts(parts)) => {
                for part in parts {
                    if let ChatPart::Text { text } | ChatPart::Refusal { refusal: text } = part {
                        self.say(Prose::Text, text, out);
                    }
                }
            }
            None => {}
        }
        if let Some(text) = refusal(delta) {
            self.stop.refused = true;
            self.say(Prose::Text, text, out);
        }
        for piece in delta.tool_calls.iter().flatten() {
            self.call(piece, out);
        }
    }

    fn say(&mut self, kind: Prose, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let block = match self.prose {
            Some(open) if open.kind == kind => open.block,
            _ => self.open_prose(kind, out),
        };
        let delta = match kind {
            Prose::Thinking => Delta::Thinking { thinking: text },
            Prose::Text => Delta::Text { text },
        };
        write_event(out, &Event::ContentBlockDelta { index: block, delta });
    }

    fn open_prose(&mut self, kind: Prose, out: &mut Vec<u8>) -> u64 {
        self.close_prose(out);
        if let Some(block) = self.calls.close_complete() {
            write_event(out, &Event::ContentBlockStop { index: block });
        }
        let block = self.take_block();
        let content_block = match kind {
            Prose::Thinking => BlockStart::Thinking { thinking: "", signature: "" },
            Prose::Text => BlockStart::Text { text: "" },
        };
        write_event(out, &Event::ContentBlockStart { index: block, content_block });
        self.prose = Some(OpenProse { block, kind });
        block
    }

    fn close_prose(&mut self, out: &mut Vec<u8>) {
        if let Some(open) = self.prose.take() {
            write_event(out, &Event::ContentBlockStop { index: open.block });
        }
    }

    fn call(&mut self, piece: &ChatToolCall, out: &mut Vec<u8>) {
        self.stop.called_tools = true;
        let steps = self.calls.take(piece, &mut self.next_block);
        self.tell(steps, out);
    }

    fn tell(&mut self, steps: Vec<CallStep>, out: &mut Vec<u8>) {
        for step in steps {
            match step {
                CallStep::Open { block, id, name } => {
                    self.close_prose(out);
                    let content_block = BlockStart::tool_use(&id, &name);
                    write_event(out, &Event::ContentBlockStart { index: block, content_block });
                }
                CallStep::Arguments { block, text } => {
                    let delta = Delta::InputJson { partial_json: &text };
                    write_event(out, &Event::ContentBlockDelta { index: block, delta });
                }
                CallStep::Close { block } => write_event(out, &Event::ContentBlockStop { index: block }),
            }
        }
    }

    const fn take_block(&mut self) -> u64 {
        let block = self.next_block;
        self.next_block += 1;
        block
    }
}

impl ChatTranslator for Translator {
    fn chunk(&mut self, chunk: &ChatChunk, out: &mut Vec<u8>) {
        self.usage = chunk.usage.or(self.usage);
        self.start(out);
        for choice in chunk.choices.iter().filter(|choice| choice.index == 0) {
            self.delta(&choice.delta, out);
            self.stop.note(choice.finish_reason.as_deref(), choice.stop_reason.as_ref());
        }
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        self.close_prose(out);
        let steps = self.calls.finish(&mut self.next_block);
        self.tell(steps, out);
        let stop_reason = self.stop.reason();
        let stop_sequence = self.stop.sequence.as_deref().filter(|_| stop_reason == "stop_sequence");
        let usage = Usage::from_chat(self.usage.as_ref());
        write_event(out, &Event::MessageDelta { delta: EndDelta { stop_reason, stop_sequence }, usage });
        write_event(out, &Event::MessageStop {});
    }

    fn error(&mut self, error: &ErrorBody<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: error\ndata: ");
        out.extend_from_slice(&error.to_messages_json());
        out.extend_from_slice(b"\n\n");
    }

    fn ping(&self) -> Bytes {
        MESSAGES_PING_FRAME
    }
}
