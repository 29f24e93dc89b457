//! A streamed transcription: deltas, then the whole text with the usage. Without `[DONE]`, as OpenAI.

use std::sync::Arc;

use super::transcription::FIRST_WORDS;
use crate::behaviour::{Behaviour, StreamFault};
use crate::frames::Frames;
use crate::json::json_string;
use crate::plan::{Plan, Position};
use crate::stream::{Chunks, Event, Script};

pub(super) struct TranscriptScript {
    /// Sent as the first delta.
    opening: String,
    plan: Plan,
    /// `,"usage":{…}`
    usage: String,
    behaviour: Arc<Behaviour>,
    frames: Frames,
    position: Position,
    chunks: Chunks,
    ended: bool,
}

impl TranscriptScript {
    pub(super) fn new(opening: String, words: u64, usage: String, behaviour: Arc<Behaviour>) -> Self {
        Self {
            opening,
            plan: Plan::of_words(words, None),
            usage,
            frames: Frames::new(behaviour.framing),
            behaviour,
            position: Position::default(),
            chunks: Chunks::default(),
            ended: false,
        }
    }

    /// The next words and how many they are; `None` when everything was said.
    fn words(&mut self) -> Option<(String, u64)> {
        if self.chunks.sent() == 0 {
            return Some((self.opening.clone(), FIRST_WORDS));
        }
        let piece = self.plan.next_piece(&mut self.position, self.behaviour.words_per_chunk)?;
        Some((self.plan.piece_text(&piece), piece.tokens()))
    }

    fn fault(&mut self, fault: StreamFault) -> Event {
        self.ended = true;
        match fault {
            StreamFault::Cut => Event::Cut,
            StreamFault::Stall => Event::Stall,
            _ => Event::ErrorFrame(self.frames.error_event().into()),
        }
    }

    fn end(&mut self) -> Option<Event> {
        self.ended = true;
        if self.behaviour.stream_fault == Some(StreamFault::NoFinishReason) {
            return None;
        }
        let (text, usage) = (format!("{}{}", self.opening, self.plan.text()), &self.usage);
        let data = format!(r#"{{"type":"transcript.text.done","text":{}{usage}}}"#, json_string(text.trim_end()));
        Some(Event::at_once(self.frames.event("transcript.text.done", &data)))
    }
}

impl Script for TranscriptScript {
    fn next(&mut self) -> Option<Event> {
        if self.ended {
            return None;
        }
        let words = self.words();
        if let Some(fault) = self.chunks.due_fault(&self.behaviour, words.is_none()) {
            return Some(self.fault(fault));
        }
        let Some((text, tokens)) = words else { return self.end() };
        let data = format!(r#"{{"type":"transcript.text.delta","delta":{}}}"#, json_string(&text));
        let frame = self.frames.event("transcript.text.delta", &data);
        Some(self.chunks.event(&self.behaviour, frame, tokens))
    }
}
