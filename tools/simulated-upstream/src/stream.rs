//! Streamed answers, made chunk by chunk as the connection takes them.

use std::fmt::Write;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::time::sleep;

use crate::answer::{Extent, head, push_usage};
use crate::behaviour::{Behaviour, Framing, StreamFault, UsageMode};
use crate::counters::Serving;
use crate::operation::Operation;
use crate::request::ModelRequest;
use crate::text::push_words;

/// Lets the connection write what it has buffered: a cut would throw that away.
const FLUSH_PAUSE: Duration = Duration::from_millis(20);
const DRIP_SIZES: [usize; 6] = [1, 7, 2, 13, 3, 29];
const DRIP_PAUSE: Duration = Duration::from_millis(1);

/// The body of a streamed answer. Dropping it before its end counts as a cancellation in `serving`.
pub(crate) fn body(script: Script, mut serving: Serving) -> impl Stream<Item = io::Result<Bytes>> {
    serving.stream_opened();
    let writer = Writer { script, serving, rest: Bytes::new(), last: false, drips: 0 };
    unfold(writer, |mut writer| async move {
        let item = writer.next().await?;
        Some((item, writer))
    })
}

/// What a stream says, as a sequence of frames.
pub(crate) struct Script {
    behaviour: Behaviour,
    head: String,
    operation: Operation,
    input_tokens: u64,
    extent: Extent,
    include_usage: bool,
    running_usage: bool,
    step: Step,
    sent_tokens: u64,
    sent_chunks: u64,
    frames: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Role,
    Content,
    Finish,
    Usage,
    Done,
    End,
}

enum Event {
    Frame { bytes: String, tokens: u64, pause: Duration },
    Cut,
    Stall,
    ErrorFrame(String),
}

impl Event {
    fn at_once(bytes: String) -> Self {
        Self::Frame { bytes, tokens: 0, pause: Duration::ZERO }
    }
}

impl Script {
    pub(crate) fn new(id: u64, operation: Operation, request: &ModelRequest<'_>, behaviour: Behaviour) -> Self {
        let options = request.stream_options.as_ref();
        let include_usage = options.and_then(|options| options.include_usage).unwrap_or(false);
        let continuous = options.and_then(|options| options.continuous_usage_stats).unwrap_or(false);
        Self {
            head: head(id, operation, true, &request.model),
            operation,
            input_tokens: request.messages.count,
            extent: Extent::of(request, &behaviour),
            include_usage: include_usage && behaviour.usage != UsageMode::Missing,
            running_usage: behaviour.usage == UsageMode::Cumulative
                || (continuous && behaviour.usage != UsageMode::Missing),
            step: if operation == Operation::Completions { Step::Content } else { Step::Role },
            sent_tokens: 0,
            sent_chunks: 0,
            frames: 0,
            behaviour,
        }
    }

    fn next(&mut self) -> Option<Event> {
        if let Some(fault) = self.due_fault() {
            return Some(fault);
        }
        loop {
            match self.step {
                Step::Role => {
                    self.step = Step::Content;
                    return Some(Event::at_once(
                        self.choice_frame(r#""delta":{"role":"assistant","content":""}"#, None),
                    ));
                }
                Step::Content if self.sent_tokens < self.extent.tokens => return Some(self.content_frame()),
                Step::Content if self.behaviour.stream_fault == Some(StreamFault::NoFinishReason) => {
                    self.step = Step::End;
                }
                Step::Content => self.step = Step::Finish,
                Step::Finish => {
                    self.step = Step::Usage;
                    let empty = if self.operation == Operation::Completions { r#""text":"""# } else { r#""delta":{}"# };
                    return Some(Event::at_once(self.choice_frame(empty, Some(self.extent.finish_reason))));
                }
                Step::Usage => {
                    self.step = Step::Done;
                    if self.ends_with_usage() {
                        return Some(Event::at_once(self.usage_frame()));
                    }
                }
                Step::Done => {
                    self.step = Step::End;
                    if self.behaviour.stream_fault != Some(StreamFault::NoDone) {
                        return Some(Event::at_once(self.frame("[DONE]")));
                    }
                }
                Step::End => return None,
            }
        }
    }

    /// Whether nothing more will come. Known before the connection asks for more, since a client may close right after
    /// the last frame and has then still got everything.
    fn at_end(&self) -> bool {
        match self.step {
            Step::End => true,
            Step::Content => {
                self.sent_tokens >= self.extent.tokens
                    && self.behaviour.stream_fault == Some(StreamFault::NoFinishReason)
            }
            Step::Usage => self.ends_without_done() && !self.ends_with_usage(),
            Step::Done => self.ends_without_done(),
            Step::Role | Step::Finish => false,
        }
    }

    fn ends_without_done(&self) -> bool {
        self.behaviour.stream_fault == Some(StreamFault::NoDone)
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

    fn due_fault(&mut self) -> Option<Event> {
        let due = self.step == Step::Content
            && (self.sent_chunks >= self.behaviour.fault_after_chunks || self.sent_tokens >= self.extent.tokens);
        if !due {
            return None;
        }
        match self.behaviour.stream_fault? {
            StreamFault::Cut => Some(Event::Cut),
            StreamFault::Stall => Some(Event::Stall),
            StreamFault::ErrorFrame => {
                self.step = Step::End;
                let error = r#"{"error":{"message":"The engine has failed.","type":"InternalServerError","param":null,"code":500}}"#;
                Some(Event::ErrorFrame(self.frame(error)))
            }
            StreamFault::NoFinishReason | StreamFault::NoDone => None,
        }
    }

    fn content_frame(&mut self) -> Event {
        let tokens = self.behaviour.words_per_chunk.max(1).min(self.extent.tokens - self.sent_tokens);
        let mut choice = String::with_capacity(64);
        choice.push_str(if self.operation == Operation::Completions {
            r#""text":""#
        } else {
            r#""delta":{"content":""#
        });
        push_words(&mut choice, self.sent_tokens, tokens);
        choice.push_str(if self.operation == Operation::Completions { "\"" } else { "\"}" });
        let pause = if self.sent_chunks == 0 { 0 } else { self.behaviour.chunk_delay_ms };
        self.sent_tokens += tokens;
        self.sent_chunks += 1;
        Event::Frame { bytes: self.choice_frame(&choice, None), tokens, pause: Duration::from_millis(pause) }
    }

    fn choice_frame(&mut self, choice: &str, finish_reason: Option<&str>) -> String {
        let mut data = String::with_capacity(self.head.len() + choice.len() + 160);
        data.push_str(&self.head);
        // Writing to a string cannot fail.
        let _ = match finish_reason {
            Some(reason) => {
                write!(data, r#""choices":[{{"index":0,{choice},"logprobs":null,"finish_reason":"{reason}"}}]"#)
            }
            None => write!(data, r#""choices":[{{"index":0,{choice},"logprobs":null,"finish_reason":null}}]"#),
        };
        if self.running_usage {
            data.push(',');
            push_usage(&mut data, self.behaviour.usage, self.input_tokens, self.sent_tokens);
        } else if self.include_usage {
            data.push_str(r#","usage":null"#);
        }
        data.push('}');
        self.frame(&data)
    }

    fn usage_frame(&mut self) -> String {
        let mut data = self.head.clone();
        if self.behaviour.usage != UsageMode::WithoutChoices {
            data.push_str(r#""choices":[],"#);
        }
        push_usage(&mut data, self.behaviour.usage, self.input_tokens, self.sent_tokens);
        data.push('}');
        self.frame(&data)
    }

    fn frame(&mut self, data: &str) -> String {
        self.frames += 1;
        let number = self.frames;
        match self.behaviour.framing {
            Framing::Plain => format!("data: {data}\n\n"),
            Framing::Crlf => format!("data: {data}\r\n\r\n"),
            Framing::Comments => format!(": frame {number}\n\ndata: {data}\n\n"),
            Framing::IdLines => format!("id: {number}\ndata: {data}\n\n"),
        }
    }
}

/// Brings a script's frames onto the connection and counts them.
struct Writer {
    script: Script,
    serving: Serving,
    /// Of a frame that drips.
    rest: Bytes,
    last: bool,
    drips: usize,
}

impl Writer {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if !self.rest.is_empty() {
            sleep(DRIP_PAUSE).await;
            return Some(Ok(self.take_drip()));
        }
        match self.script.next()? {
            Event::Frame { bytes, tokens, pause } => {
                if !pause.is_zero() {
                    sleep(pause).await;
                }
                self.serving.sent(tokens);
                self.last = self.script.at_end();
                Some(Ok(self.send(bytes)))
            }
            Event::ErrorFrame(bytes) => {
                self.serving.broken();
                Some(Ok(bytes.into()))
            }
            Event::Cut => {
                sleep(FLUSH_PAUSE).await;
                self.serving.broken();
                Some(Err(io::ErrorKind::ConnectionAborted.into()))
            }
            Event::Stall => std::future::pending().await,
        }
    }

    fn send(&mut self, bytes: String) -> Bytes {
        self.rest = bytes.into();
        if self.script.behaviour.drip {
            return self.take_drip();
        }
        self.complete_at_end();
        std::mem::take(&mut self.rest)
    }

    fn take_drip(&mut self) -> Bytes {
        let size = DRIP_SIZES[self.drips % DRIP_SIZES.len()].min(self.rest.len());
        self.drips += 1;
        let drip = self.rest.split_to(size);
        if self.rest.is_empty() {
            self.complete_at_end();
        }
        drip
    }

    fn complete_at_end(&mut self) {
        if self.last {
            self.serving.completed();
        }
    }
}
