//! A streamed image: some views of it unfinished, then the image with the usage. Without `[DONE]`, as OpenAI.

use super::request::ImageRequest;
use super::{OUTPUT_TOKENS, PIXEL};
use crate::behaviour::{Behaviour, StreamFault};
use crate::frames::Frames;
use crate::json::CREATED;
use crate::operation::Operation;
use crate::stream::{Chunks, Event, Script};

const MOST_PARTIAL_IMAGES: u64 = 3;

pub(super) struct ImageScript {
    frames: Frames,
    behaviour: Behaviour,
    chunks: Chunks,
    family: &'static str,
    partial_images: u64,
    usage: String,
    ended: bool,
}

impl ImageScript {
    pub(super) fn new(operation: Operation, asked: &ImageRequest<'_>, behaviour: &Behaviour) -> Self {
        Self {
            frames: Frames::new(behaviour.framing),
            behaviour: behaviour.clone(),
            chunks: Chunks::default(),
            family: if operation == Operation::ImageEdits { "image_edit" } else { "image_generation" },
            partial_images: asked.partial_images.unwrap_or(0).min(MOST_PARTIAL_IMAGES),
            usage: asked.usage(behaviour.usage, 1),
            ended: false,
        }
    }

    fn frame(&mut self, end: &str, more: &str) -> String {
        let name = format!("{}.{end}", self.family);
        let data = format!(
            r#"{{"type":"{name}","b64_json":"{PIXEL}","created_at":{CREATED},"size":"1024x1024","quality":"low","background":"opaque","output_format":"png"{more}}}"#
        );
        self.frames.event(&name, &data)
    }
}

impl Script for ImageScript {
    fn next(&mut self) -> Option<Event> {
        if self.ended {
            return None;
        }
        let sent = self.chunks.sent();
        if let Some(fault) = self.chunks.due_fault(&self.behaviour, sent >= self.partial_images) {
            self.ended = true;
            return Some(match fault {
                StreamFault::Cut => Event::Cut,
                StreamFault::Stall => Event::Stall,
                _ => Event::ErrorFrame(self.frames.error_event().into()),
            });
        }
        if sent < self.partial_images {
            let frame = self.frame("partial_image", &format!(r#","partial_image_index":{sent}"#));
            return Some(self.chunks.event(&self.behaviour, frame, 0));
        }
        self.ended = true;
        if self.behaviour.stream_fault == Some(StreamFault::NoFinishReason) {
            return None;
        }
        let usage = std::mem::take(&mut self.usage);
        let frame = self.frame("completed", &usage);
        Some(self.chunks.event(&self.behaviour, frame, OUTPUT_TOKENS))
    }
}
