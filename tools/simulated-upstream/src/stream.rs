//! Streamed answers, made chunk by chunk as the connection takes them.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::time::sleep;

use crate::behaviour::{Behaviour, StreamFault};
use crate::serving::Serving;

pub(crate) const EVENT_STREAM: &str = "text/event-stream";
/// Lets the connection write what it has buffered: a cut would throw that away.
const FLUSH_PAUSE: Duration = Duration::from_millis(20);
const DRIP_SIZES: [usize; 6] = [1, 7, 2, 13, 3, 29];
const DRIP_PAUSE: Duration = Duration::from_millis(1);

/// What a stream says, as a sequence of frames.
pub(crate) trait Script {
    fn next(&mut self) -> Option<Event>;
}

pub(crate) enum Event {
    /// `tokens` of output are in these bytes; `pause` comes before them.
    Frame {
        bytes: Bytes,
        tokens: u64,
        pause: Duration,
    },
    Cut,
    Stall,
    /// The last frame; it makes the answer count as broken.
    ErrorFrame(Bytes),
}

impl Event {
    pub(crate) fn at_once(bytes: impl Into<Bytes>) -> Self {
        Self::Frame { bytes: bytes.into(), tokens: 0, pause: Duration::ZERO }
    }
}

/// Counts content chunks, for the pauses between them and the fault after some of them.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    sent: u64,
}

impl Chunks {
    pub(crate) fn event(&mut self, behaviour: &Behaviour, bytes: impl Into<Bytes>, tokens: u64) -> Event {
        let pause = if self.sent == 0 { 0 } else { behaviour.chunk_delay_ms };
        self.sent += 1;
        Event::Frame { bytes: bytes.into(), tokens, pause: Duration::from_millis(pause) }
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// The fault in the middle that is due now; `at_end` if there is no more content. An error frame has its words from
    /// the script.
    pub(crate) fn due_fault(&self, behaviour: &Behaviour, at_end: bool) -> Option<StreamFault> {
        let fault = behaviour.stream_fault?;
        let due = at_end || self.sent >= behaviour.fault_after_chunks;
        let in_the_middle = matches!(fault, StreamFault::Cut | StreamFault::Stall | StreamFault::ErrorFrame);
        (due && in_the_middle).then_some(fault)
    }
}

/// The body of a streamed answer. Dropping it before its end counts as a cancellation in `serving`.
pub(crate) fn body(script: impl Script, drip: bool, mut serving: Serving) -> impl Stream<Item = io::Result<Bytes>> {
    serving.stream_opened();
    let writer = Writer { script, serving, drip, ahead: None, rest: Bytes::new(), last: false, drips: 0 };
    unfold(writer, |mut writer| async move {
        let item = writer.next().await?;
        Some((item, writer))
    })
}

/// Brings a script's frames onto the connection and counts them.
struct Writer<S> {
    script: S,
    serving: Serving,
    drip: bool,
    /// One event is always known before it is due, so that the last one is known as such: a client may close right after
    /// it and has then still got everything.
    ahead: Option<Event>,
    /// Of a frame that drips.
    rest: Bytes,
    last: bool,
    drips: usize,
}

impl<S: Script> Writer<S> {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if !self.rest.is_empty() {
            sleep(DRIP_PAUSE).await;
            return Some(Ok(self.take_drip()));
        }
        if self.last {
            return None;
        }
        let event = match self.ahead.take() {
            Some(event) => event,
            None => self.script.next()?,
        };
        match event {
            Event::Frame { bytes, tokens, pause } => {
                if !pause.is_zero() {
                    sleep(pause).await;
                }
                self.serving.sent(tokens);
                self.ahead = self.script.next();
                self.last = self.ahead.is_none();
                Some(Ok(self.send(bytes)))
            }
            Event::ErrorFrame(bytes) => {
                self.last = true;
                self.serving.broken();
                Some(Ok(bytes))
            }
            Event::Cut => {
                self.last = true;
                sleep(FLUSH_PAUSE).await;
                self.serving.broken();
                Some(Err(io::ErrorKind::ConnectionAborted.into()))
            }
            Event::Stall => std::future::pending().await,
        }
    }

    fn send(&mut self, bytes: Bytes) -> Bytes {
        if self.drip {
            self.rest = bytes;
            return self.take_drip();
        }
        self.complete_at_end();
        bytes
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
