//! Puts what the input says into the order that chat demands.
//!
//! - Several calls in a row belong to one assistant message, with the text that stands before them.
//! - The results of calls follow directly after the message with the calls, wherever they stood in the input.
//! - System texts at the beginning are one message: many chat templates take only one, and only there.

use std::{borrow::Cow, collections::HashMap};

use super::{
    chat_body::{Call, CalledFunction, Content, Message, Part},
    content::{joined, split_texts, user_content},
};

#[derive(Default)]
pub(super) struct Conversation<'a> {
    opening: Vec<Cow<'a, str>>,
    turns: Vec<Turn<'a>>,
    /// By the id of a call, the turn that has made it.
    callers: HashMap<Cow<'a, str>, usize>,
}

enum Turn<'a> {
    System(Cow<'a, str>),
    User(Content<'a>),
    Assistant(AssistantTurn<'a>),
}

#[derive(Default)]
struct AssistantTurn<'a> {
    text: Option<Cow<'a, str>>,
    calls: Vec<Call<'a>>,
    results: Vec<CallResult<'a>>,
}

struct CallResult<'a> {
    call_id: Cow<'a, str>,
    text: Cow<'a, str>,
    /// Pictures and files, which a tool message cannot hold.
    attachments: Vec<Part<'a>>,
}

impl<'a> Conversation<'a> {
    pub fn system(&mut self, text: Cow<'a, str>) {
        if self.turns.is_empty() {
            self.opening.push(text);
        } else {
            self.turns.push(Turn::System(text));
        }
    }

    pub fn user(&mut self, parts: Vec<Part<'a>>) {
        self.turns.push(Turn::User(user_content(parts)));
    }

    pub fn assistant(&mut self, text: Cow<'a, str>) {
        self.turns.push(Turn::Assistant(AssistantTurn { text: Some(text), ..AssistantTurn::default() }));
    }

    /// `name` is the upstream's name of the tool, `arguments` JSON as text.
    pub fn call(&mut self, id: Cow<'a, str>, name: Cow<'a, str>, arguments: Cow<'a, str>) {
        // Templates parse the arguments, and nothing is not JSON.
        let arguments = if arguments.trim().is_empty() { Cow::Borrowed("{}") } else { arguments };
        let call = Call { id: id.clone(), kind: "function", function: CalledFunction { name, arguments } };
        match self.turns.last_mut() {
            Some(Turn::Assistant(turn)) if turn.results.is_empty() => turn.calls.push(call),
            _ => self.turns.push(Turn::Assistant(AssistantTurn { calls: vec![call], ..AssistantTurn::default() })),
        }
        self.callers.insert(id, self.turns.len() - 1);
    }

    /// Answers false if no call before has this id.
    pub fn result(&mut self, call_id: Cow<'a, str>, parts: Vec<Part<'a>>) -> bool {
        let caller = self.callers.get(&call_id).and_then(|turn| self.turns.get_mut(*turn));
        let Some(Turn::Assistant(turn)) = caller else { return false };
        let (texts, attachments) = split_texts(parts);
        let text = match (texts.is_empty(), attachments.is_empty()) {
            (true, false) => Cow::Borrowed("The result is attached to the next message."),
            _ => joined(texts),
        };
        turn.results.push(CallResult { call_id, text, attachments });
        true
    }

    /// None if nothing was said.
    pub fn into_messages(self) -> Option<Vec<Message<'a>>> {
        let mut messages = Vec::with_capacity(self.turns.len() + 1);
        if !self.opening.is_empty() {
            messages.push(Message::System { content: Cow::Owned(self.opening.join("\n\n")) });
        }
        for turn in self.turns {
            match turn {
                Turn::System(content) => messages.push(Message::System { content }),
                Turn::User(content) => messages.push(Message::User { content }),
                Turn::Assistant(turn) => turn.write(&mut messages),
            }
        }
        (!messages.is_empty()).then_some(messages)
    }
}

impl<'a> AssistantTurn<'a> {
    fn write(self, messages: &mut Vec<Message<'a>>) {
        messages.push(Message::Assistant { content: self.text, tool_calls: self.calls });
        let mut attached = Vec::new();
        for CallResult { call_id, text, attachments } in self.results {
            if !attachments.is_empty() {
                attached
                    .push(Part::Text { text: format!("Attached to the result of the tool call {call_id}:").into() });
                attached.extend(attachments);
            }
            messages.push(Message::Tool { tool_call_id: call_id, content: text });
        }
        if !attached.is_empty() {
            messages.push(Message::User { content: Content::Parts(attached) });
        }
    }
}
