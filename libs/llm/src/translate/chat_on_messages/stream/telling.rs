//! What each event becomes, for the client and in the report.

use serde_json::value::RawValue;

use super::{
    MessagesAsChat,
    chunks::TooManyCalls,
    events::{BlockDelta, Event, StartedBlock},
};
use crate::stream::{DONE_FRAME, StreamEnd, StreamFault};

impl MessagesAsChat {
    pub(super) fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), StreamFault> {
        match event {
            Event::Start(message) => {
                if let Some(id) = message.id.as_deref() {
                    self.report.note_upstream_id(id);
                }
                self.observe(message.usage);
                self.chunks.start(message.id.as_deref(), out);
            }
            Event::BlockStart { index, block } => self.block_start(*index, block, out)?,
            Event::BlockDelta { index, delta } => self.block_delta(*index, delta, out),
            Event::BlockStop { index } => self.chunks.end_call(*index, out),
            Event::End { stop_reason, usage } => {
                self.observe(*usage);
                if let Some(reason) = stop_reason {
                    self.finish_choice(Some(reason), out);
                }
            }
            Event::Stop => {
                self.report.done_seen = true;
                self.finish(out);
            }
            Event::Error | Event::Other => {}
        }
        Ok(())
    }

    fn block_start(&mut self, index: u64, block: &StartedBlock<'_>, out: &mut Vec<u8>) -> Result<(), StreamFault> {
        match &*block.kind {
            "tool_use" => {
                let name = block.name.as_deref().unwrap_or_default();
                self.report.note_tool_call();
                self.report.note_text(name.len());
                let began = self.chunks.begin_call(index, block.id.as_deref().unwrap_or_default(), name, out);
                began.map_err(|TooManyCalls| StreamFault::MalformedData)?;
                // Servers that do not stream the input have all of it here; others start with an empty object.
                let input = block.input.map(|input| input.get()).filter(|input| input.len() > "{}".len());
                self.arguments(index, input.unwrap_or_default(), out);
            }
            "text" => self.text(block.text.as_deref().unwrap_or_default(), out),
            "thinking" => self.thinking(block.thinking.as_deref().unwrap_or_default(), out),
            _ => {}
        }
        Ok(())
    }

    fn block_delta(&mut self, index: u64, delta: &BlockDelta<'_>, out: &mut Vec<u8>) {
        self.text(delta.text.as_deref().unwrap_or_default(), out);
        self.thinking(delta.thinking.as_deref().unwrap_or_default(), out);
        self.arguments(index, delta.partial_json.as_deref().unwrap_or_default(), out);
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        self.report.note_text(text.len());
        self.chunks.text(text, out);
    }

    fn thinking(&mut self, text: &str, out: &mut Vec<u8>) {
        self.report.note_text(text.len());
        self.chunks.thinking(text, out);
    }

    fn arguments(&mut self, index: u64, text: &str, out: &mut Vec<u8>) {
        self.report.note_text(text.len());
        self.chunks.arguments(index, text, out);
    }

    fn observe(&mut self, usage: Option<&RawValue>) {
        if let Some(usage) = usage {
            self.report.usage.observe(usage.get().as_bytes());
        }
    }

    fn finish_choice(&mut self, stop_reason: Option<&str>, out: &mut Vec<u8>) {
        if let Some(reason) = self.chunks.finish(stop_reason, out) {
            self.report.note_finish(reason);
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        self.finish_choice(None, out);
        if self.settings.include_usage {
            self.chunks.usage(&self.report.usage, out);
        }
        out.extend_from_slice(&DONE_FRAME);
        self.ended = Some(StreamEnd::Complete);
    }
}
