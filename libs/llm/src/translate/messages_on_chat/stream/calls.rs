//! Tool calls of a chat stream, put in a row.

use super::{super::message::made_call_id, object_end::ObjectEnd};
use crate::translate::chat::ChatToolCall;

/// No answer has more; from then on nothing new is begun, so that looking for a call stays cheap whatever is sent.
const MAX_CALLS: usize = 1_024;

/// How many bytes of calls may wait for their turn. Beyond it they are given out at once, beside the open one.
const MAX_WAITING: usize = 1 << 20;

/// Calls may come in pieces that are mixed; blocks must not overlap. The first call goes out as it comes. Another one
/// waits until the one before is complete, which its JSON tells, or until the stream ends.
#[derive(Debug)]
pub(super) struct Calls {
    message_id: String,
    calls: Vec<Call>,
    /// The one that is going out, as a place in `calls`.
    open: Option<usize>,
    waiting_bytes: usize,
}

#[derive(Debug)]
struct Call {
    index: Option<u64>,
    id: Option<String>,
    name: Option<String>,
    /// Its block, once it has one.
    block: Option<u64>,
    closed: bool,
    /// Arguments that came before the block was opened.
    waiting: String,
    end: ObjectEnd,
}

/// What the client is told of the calls, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CallStep {
    Open { block: u64, id: String, name: String },
    Arguments { block: u64, text: String },
    Close { block: u64 },
}

impl Calls {
    pub const fn new(message_id: String) -> Self {
        Self { message_id, calls: Vec::new(), open: None, waiting_bytes: 0 }
    }

    /// Takes in a piece of a call; blocks are numbered from `next_block` on.
    pub fn take(&mut self, piece: &ChatToolCall, next_block: &mut u64) -> Vec<CallStep> {
        let mut steps = Vec::new();
        let Some(at) = self.call_of(piece) else { return steps };
        let arguments = piece.function.arguments.as_deref().unwrap_or_default();
        if let Some(call) = self.calls.get_mut(at) {
            call.note_names(piece);
            call.end.feed(arguments);
            match call.block {
                // What comes after the end of an object can only be space.
                Some(_) if call.closed => {}
                Some(block) => push_arguments(&mut steps, block, arguments),
                None => {
                    call.waiting.push_str(arguments);
                    self.waiting_bytes += arguments.len();
                }
            }
        }
        self.open_next(next_block, &mut steps);
        steps
    }

    /// Closes the open call if nothing more of it can come, so that another block may follow.
    pub fn close_complete(&mut self) -> Option<u64> {
        let call = self.calls.get_mut(self.open?).filter(|call| call.end.is_reached())?;
        call.closed = true;
        self.open = None;
        call.block
    }

    /// Every piece was given: what waits goes out, one after the other.
    pub fn finish(&mut self, next_block: &mut u64) -> Vec<CallStep> {
        let mut steps = Vec::new();
        for at in 0..self.calls.len() {
            if self.calls.get(at).is_some_and(|call| call.block.is_none()) {
                self.close_all(&mut steps);
                self.open_call(at, next_block, &mut steps);
            }
        }
        self.close_all(&mut steps);
        steps
    }

    /// The call that a piece belongs to. The index tells, but some servers leave it out, and some give every call the same
    /// one; then a new id that comes with a name begins a new call, and a piece without any id goes on with the last one.
    fn call_of(&mut self, piece: &ChatToolCall) -> Option<usize> {
        let id = piece.id.as_deref().filter(|id| !id.is_empty());
        let has_name = piece.function.name.as_deref().is_some_and(|name| !name.is_empty());
        let found = match (piece.index, id) {
            (Some(index), _) => self.calls.iter().rposition(|call| call.index == Some(index)),
            (None, Some(id)) => self.calls.iter().rposition(|call| call.id.as_deref() == Some(id)),
            (None, None) if has_name => None,
            (None, None) => self.calls.len().checked_sub(1),
        };
        let is_another = |call: &Call| has_name && id.is_some() && call.id.is_some() && call.id.as_deref() != id;
        match found.filter(|at| !self.calls.get(*at).is_some_and(is_another)) {
            Some(at) => Some(at),
            None if self.calls.len() >= MAX_CALLS => None,
            None => {
                self.calls.push(Call::new(piece.index));
                Some(self.calls.len() - 1)
            }
        }
    }

    /// Opens calls that wait, as long as the one before is complete.
    fn open_next(&mut self, next_block: &mut u64, steps: &mut Vec<CallStep>) {
        while let Some(at) = self.calls.iter().position(|call| call.block.is_none() && call.name.is_some()) {
            let may_open = self.open.is_none() || self.waiting_bytes > MAX_WAITING;
            if !may_open {
                let Some(block) = self.close_complete() else { return };
                steps.push(CallStep::Close { block });
            }
            self.open_call(at, next_block, steps);
        }
    }

    fn open_call(&mut self, at: usize, next_block: &mut u64, steps: &mut Vec<CallStep>) {
        let Some(call) = self.calls.get_mut(at) else { return };
        let block = *next_block;
        *next_block += 1;
        call.block = Some(block);
        let id = call.id.get_or_insert_with(|| made_call_id(&self.message_id, at)).clone();
        steps.push(CallStep::Open { block, id, name: call.name.clone().unwrap_or_default() });
        let waiting = std::mem::take(&mut call.waiting);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(waiting.len());
        push_arguments(steps, block, &waiting);
        self.open = Some(at);
    }

    fn close_all(&mut self, steps: &mut Vec<CallStep>) {
        self.open = None;
        for call in &mut self.calls {
            if let Some(block) = call.block.filter(|_| !std::mem::replace(&mut call.closed, true)) {
                steps.push(CallStep::Close { block });
            }
        }
    }
}

fn push_arguments(steps: &mut Vec<CallStep>, block: u64, text: &str) {
    if !text.is_empty() {
        steps.push(CallStep::Arguments { block, text: text.to_owned() });
    }
}

impl Call {
    const fn new(index: Option<u64>) -> Self {
        Self { index, id: None, name: None, block: None, closed: false, waiting: String::new(), end: ObjectEnd::new() }
    }

    /// The first id and name count; servers that repeat them in every piece repeat the same ones.
    fn note_names(&mut self, piece: &ChatToolCall) {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        self.id = self.id.take().or_else(|| given(&piece.id));
        self.name = self.name.take().or_else(|| given(&piece.function.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::chat::ChatCalledFunction;

    fn piece(index: Option<u64>, id: &str, name: &str, arguments: &str) -> ChatToolCall {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let function = ChatCalledFunction { name: given(name), arguments: given(arguments) };
        ChatToolCall { index, id: given(id), kind: None, function }
    }

    /// Every step as a short word.
    fn told(pieces: &[ChatToolCall]) -> String {
        let (mut calls, mut next_block) = (Calls::new("msg_9".to_owned()), 0);
        let mut steps: Vec<CallStep> = pieces.iter().flat_map(|piece| calls.take(piece, &mut next_block)).collect();
        steps.extend(calls.finish(&mut next_block));
        let words = steps.iter().map(|step| match step {
            CallStep::Open { block, id, name } => format!("open{block}={id}/{name}"),
            CallStep::Arguments { block, text } => format!("{block}:{text}"),
            CallStep::Close { block } => format!("close{block}"),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn calls_one_after_the_other_go_out_as_they_come() {
        let pieces = [
            piece(Some(0), "a", "f", ""),
            piece(Some(0), "", "", "{\"x\""),
            piece(Some(0), "", "", ":\"}\"}"),
            piece(Some(1), "b", "g", "{}"),
        ];
        assert_eq!(told(&pieces), r#"open0=a/f 0:{"x" 0::"}"} close0 open1=b/g 1:{} close1"#);
    }

    #[test]
    fn pieces_of_two_calls_that_are_mixed_become_two_blocks_in_a_row() {
        let pieces = [
            piece(Some(0), "a", "f", "{"),
            piece(Some(1), "b", "g", "{\"y\":"),
            piece(Some(0), "", "", "}"),
            piece(Some(1), "", "", "1}"),
        ];
        assert_eq!(told(&pieces), r#"open0=a/f 0:{ 0:} close0 open1=b/g 1:{"y": 1:1} close1"#);
    }

    #[test]
    fn pieces_without_an_index_are_told_apart_by_id_and_name() {
        let pieces = [piece(None, "a", "f", "{\"x\":"), piece(None, "", "", "1}"), piece(None, "b", "g", "{}")];
        assert_eq!(told(&pieces), r#"open0=a/f 0:{"x": 0:1} close0 open1=b/g 1:{} close1"#);
        let nameless = [piece(None, "", "f", "{}"), piece(None, "", "f", "{}")];
        assert_eq!(told(&nameless), "open0=toolu_9_0/f 0:{} close0 open1=toolu_9_1/f 1:{} close1");
    }

    #[test]
    fn the_same_index_with_another_id_is_another_call() {
        let pieces = [piece(Some(0), "a", "f", "{}"), piece(Some(0), "b", "f", "{}")];
        assert_eq!(told(&pieces), "open0=a/f 0:{} close0 open1=b/f 1:{} close1");
        let repeated = [piece(Some(0), "a", "f", "{"), piece(Some(0), "a", "f", "}")];
        assert_eq!(told(&repeated), "open0=a/f 0:{ 0:} close0");
    }

    #[test]
    fn a_flood_of_calls_is_bounded() {
        let pieces: Vec<_> = (0..5_000).map(|index| piece(Some(index), "", "f", "{")).collect();
        assert_eq!(told(&pieces).matches("open").count(), MAX_CALLS);
        let long = "x".repeat(MAX_WAITING);
        let waiting = [piece(Some(0), "a", "f", "{"), piece(Some(1), "b", "g", &long), piece(Some(1), "", "", "y")];
        assert!(told(&waiting).starts_with("open0=a/f 0:{ open1=b/g 1:xxx"));
    }
}
