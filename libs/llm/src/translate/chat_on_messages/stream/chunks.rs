//! Chat chunks, one after the other.

use std::collections::BTreeMap;

use super::super::completion::{CallPiece, Chunk, ChunkChoice, Delta, FunctionPiece, chat_usage, finish_reason};
use crate::usage::UsageCollector;

/// No answer has more calls open at the same time.
const MAX_OPEN_CALLS: usize = 1_024;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooManyCalls;

/// Writes the chunks of one stream, which share id, time and model. The first one says who speaks.
#[derive(Debug)]
pub(super) struct ChunkWriter {
    id: String,
    created: u64,
    model: String,
    started: bool,
    finished: bool,
    /// The open calls by the number of their block.
    open_calls: BTreeMap<u64, OpenCall>,
    /// How many calls were begun; chat numbers them by themselves.
    calls: u64,
}

#[derive(Debug)]
struct OpenCall {
    number: u64,
    has_arguments: bool,
}

impl ChunkWriter {
    /// The id is made from `request_id` unless [`ChunkWriter::start`] brings the upstream's.
    pub fn new(model: String, request_id: String, created: u64) -> Self {
        Self {
            id: format!("chatcmpl-{request_id}"),
            created,
            model,
            started: false,
            finished: false,
            open_calls: BTreeMap::new(),
            calls: 0,
        }
    }

    pub fn start(&mut self, id: Option<&str>, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            id.clone_into(&mut self.id);
        }
        let delta = Delta { role: Some("assistant"), content: Some(""), ..Delta::default() };
        self.choice(delta, None, out);
    }

    pub fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        if !text.is_empty() {
            self.delta(Delta { content: Some(text), ..Delta::default() }, out);
        }
    }

    pub fn thinking(&mut self, text: &str, out: &mut Vec<u8>) {
        if !text.is_empty() {
            self.delta(Delta { reasoning_content: Some(text), ..Delta::default() }, out);
        }
    }

    pub fn begin_call(&mut self, block: u64, id: &str, name: &str, out: &mut Vec<u8>) -> Result<(), TooManyCalls> {
        if self.open_calls.len() >= MAX_OPEN_CALLS {
            return Err(TooManyCalls);
        }
        let number = self.calls;
        self.calls += 1;
        self.open_calls.insert(block, OpenCall { number, has_arguments: false });
        let function = FunctionPiece { name: Some(name), arguments: "" };
        let piece = CallPiece { index: number, id: Some(id), kind: Some("function"), function };
        self.delta(Delta { tool_calls: Some([piece]), ..Delta::default() }, out);
        Ok(())
    }

    /// Input of a block that is no call of the client's tools is passed over.
    pub fn arguments(&mut self, block: u64, text: &str, out: &mut Vec<u8>) {
        let Some(call) = self.open_calls.get_mut(&block).filter(|_| !text.is_empty()) else { return };
        call.has_arguments = true;
        let function = FunctionPiece { name: None, arguments: text };
        let piece = CallPiece { index: call.number, id: None, kind: None, function };
        self.delta(Delta { tool_calls: Some([piece]), ..Delta::default() }, out);
    }

    /// A call without input has arguments all the same: clients parse them.
    pub fn end_call(&mut self, block: u64, out: &mut Vec<u8>) {
        if self.open_calls.get(&block).is_some_and(|call| !call.has_arguments) {
            self.arguments(block, "{}", out);
        }
        self.open_calls.remove(&block);
    }

    /// Says once why the answer ended, and answers with what was said.
    pub fn finish(&mut self, stop_reason: Option<&str>, out: &mut Vec<u8>) -> Option<&'static str> {
        if std::mem::replace(&mut self.finished, true) {
            return None;
        }
        let reason = finish_reason(stop_reason, self.calls > 0);
        self.start(None, out);
        self.choice(Delta::default(), Some(reason), out);
        Some(reason)
    }

    /// The usage chunk, if the upstream has reported any.
    pub fn usage(&self, usage: &UsageCollector, out: &mut Vec<u8>) {
        if let Some(usage) = chat_usage(usage) {
            self.write(&Chunk { choices: &[], usage: Some(usage), ..self.template() }, out);
        }
    }

    fn delta(&mut self, delta: Delta<'_>, out: &mut Vec<u8>) {
        self.start(None, out);
        self.choice(delta, None, out);
    }

    fn choice(&self, delta: Delta<'_>, finish_reason: Option<&'static str>, out: &mut Vec<u8>) {
        let choices = [ChunkChoice { index: 0, delta, finish_reason }];
        self.write(&Chunk { choices: &choices, ..self.template() }, out);
    }

    const fn template(&self) -> Chunk<'_> {
        Chunk {
            id: self.id.as_str(),
            object: "chat.completion.chunk",
            created: self.created,
            model: self.model.as_str(),
            choices: &[],
            usage: None,
        }
    }

    fn write(&self, chunk: &Chunk<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        // Strings and numbers into memory: there is nothing here that can fail.
        let _ = serde_json::to_writer(&mut *out, chunk);
        out.extend_from_slice(b"\n\n");
    }
}
