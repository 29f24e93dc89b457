//! Speech: bytes that are no sound, 320 for each output token. The byte at position i of the whole is i modulo 251.

use std::borrow::Cow;

use std::sync::Arc;

use actix_web::HttpResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use crate::behaviour::{Behaviour, StreamFault, UsageMode};
use crate::call::{self, Accepted, Asked, Call, marked};
use crate::frames::Frames;
use crate::plan::{Piece, Plan, Position};
use crate::stream::{Chunks, EVENT_STREAM, Event, Script};
use crate::words::Words;

const BYTES_PER_TOKEN: u64 = 320;
const PATTERN_LENGTH: u64 = 251;

#[derive(Debug, Deserialize)]
struct SpeechRequest<'a> {
    #[serde(default, borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    input: Cow<'a, str>,
    #[serde(default, borrow)]
    response_format: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    stream_format: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    instructions: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    user: Option<Cow<'a, str>>,
}

impl<'a> Asked<'a> for SpeechRequest<'a> {
    fn read(call: &'a Call) -> Result<Self, String> {
        serde_json::from_slice(&call.body).map_err(|error| error.to_string())
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn user(&self) -> Option<&str> {
        marked([self.user.as_deref(), self.instructions.as_deref()])
    }

    fn input_tokens(&self) -> u64 {
        Words::of_text(&self.input).count
    }

    fn streams(&self) -> bool {
        self.stream_format.as_deref() == Some("sse")
    }
}

pub(crate) async fn serve(call: Call) -> HttpResponse {
    call::serve(&call, |_, accepted: Accepted<SpeechRequest<'_>>| {
        let content_type = content_type(&accepted.asked);
        let script = SpeechScript::new(&accepted.asked, accepted.behaviour.clone());
        accepted.stream_as(content_type, script)
    })
    .await
}

fn content_type(asked: &SpeechRequest<'_>) -> &'static str {
    if asked.streams() {
        return EVENT_STREAM;
    }
    match asked.response_format.as_deref() {
        Some("opus") => "audio/opus",
        Some("aac") => "audio/aac",
        Some("flac") => "audio/flac",
        Some("wav") => "audio/wav",
        Some("pcm") => "audio/pcm",
        _ => "audio/mpeg",
    }
}

/// The bytes themselves, or as base64 in events with the usage at the end.
struct SpeechScript {
    behaviour: Arc<Behaviour>,
    plan: Plan,
    position: Position,
    chunks: Chunks,
    /// `None` for bare bytes.
    frames: Option<Frames>,
    input_tokens: u64,
    sent_bytes: u64,
    ended: bool,
}

impl SpeechScript {
    fn new(asked: &SpeechRequest<'_>, behaviour: Arc<Behaviour>) -> Self {
        Self {
            plan: Plan::of_words(behaviour.output_tokens, None),
            position: Position::default(),
            chunks: Chunks::default(),
            frames: asked.streams().then(|| Frames::new(behaviour.framing)),
            input_tokens: asked.input_tokens(),
            sent_bytes: 0,
            ended: false,
            behaviour,
        }
    }

    fn say(&mut self, piece: &Piece) -> Event {
        let tokens = piece.tokens();
        let sound = sound(self.sent_bytes, tokens * BYTES_PER_TOKEN);
        self.sent_bytes += sound.len() as u64;
        let bytes = match &mut self.frames {
            None => Bytes::from(sound),
            Some(frames) => {
                let audio = STANDARD.encode(sound);
                let data = format!(r#"{{"type":"speech.audio.delta","audio":"{audio}"}}"#);
                frames.event("speech.audio.delta", &data).into()
            }
        };
        self.chunks.event(&self.behaviour, bytes, tokens)
    }

    fn fault(&mut self, fault: StreamFault) -> Event {
        self.ended = true;
        match (fault, &mut self.frames) {
            (StreamFault::Stall, _) => Event::Stall,
            (StreamFault::ErrorFrame, Some(frames)) => Event::ErrorFrame(frames.error_event().into()),
            // Bare bytes have no frame for an error.
            _ => Event::Cut,
        }
    }

    fn end(&mut self) -> Option<Event> {
        self.ended = true;
        let frames = self.frames.as_mut()?;
        if self.behaviour.stream_fault == Some(StreamFault::NoFinishReason) {
            return None;
        }
        let (input, output) = (self.input_tokens, self.plan.output_tokens());
        let usage = match self.behaviour.usage {
            UsageMode::Missing => String::new(),
            _ => format!(
                r#","usage":{{"input_tokens":{input},"output_tokens":{output},"total_tokens":{}}}"#,
                input + output
            ),
        };
        Some(Event::at_once(frames.event("speech.audio.done", &format!(r#"{{"type":"speech.audio.done"{usage}}}"#))))
    }
}

impl Script for SpeechScript {
    fn next(&mut self) -> Option<Event> {
        if self.ended {
            return None;
        }
        let piece = self.plan.next_piece(&mut self.position, self.behaviour.words_per_chunk);
        if let Some(fault) = self.chunks.due_fault(&self.behaviour, piece.is_none()) {
            return Some(self.fault(fault));
        }
        match piece {
            Some(piece) => Some(self.say(&piece)),
            None => self.end(),
        }
    }
}

fn sound(from: u64, length: u64) -> Vec<u8> {
    (from..from + length).map(|position| u8::try_from(position % PATTERN_LENGTH).unwrap_or_default()).collect()
}
