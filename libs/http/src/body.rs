//! What a request to an upstream carries: bytes that are all there, or bytes that are passed on as they come.
//!
//! A stream that ends badly is its sender's fault: [`RequestBodyError`] says so, and nobody blames the upstream for it.
//! The upstream never takes a shortened body for a whole one: the connection is closed before the body's end.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use tokio::sync::{mpsc, oneshot};

/// Parts that wait between the sender and the connection; with the one in each hand a stream holds three at most.
const WAITING_PARTS: usize = 1;

/// The body of a request to an upstream.
pub enum UpstreamBody {
    /// Everything is there, so that the request can be sent again.
    Whole(Full<Bytes>),
    /// Can be sent once.
    Streamed(StreamedBody),
}

/// The receiving half of [`UpstreamBody::streamed`].
pub struct StreamedBody {
    parts: mpsc::Receiver<Part>,
    /// Told when the first part is asked for.
    wanted: Option<oneshot::Sender<()>>,
    /// Bytes that must still come, if their number was declared.
    remaining: Option<u64>,
    is_finished: bool,
}

/// Puts parts into a streamed body. Dropping it without [`finish`](Self::finish) breaks the request off.
pub struct BodySender {
    parts: mpsc::Sender<Part>,
    wanted: Option<oneshot::Receiver<()>>,
}

enum Part {
    Data(Bytes),
    End,
}

/// The upstream takes no more of the body: it was not reached, has answered already, or has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upstream takes no more of the request body")]
pub struct BodyUnwanted;

/// How a streamed body failed on our side of the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestBodyError {
    #[error("the request body broke off")]
    BrokenOff,
    #[error("the request body is longer than declared")]
    TooLong,
    #[error("the request body is shorter than declared")]
    TooShort,
}

impl UpstreamBody {
    /// A body whose parts come from the returned sender, possibly on another thread. With a declared length in bytes it
    /// is sent with `content-length` and held to it, without one in chunks.
    pub fn streamed(length: Option<u64>) -> (BodySender, Self) {
        let (part_sender, parts) = mpsc::channel(WAITING_PARTS);
        let (wanted_sender, wanted) = oneshot::channel();
        let body = StreamedBody { parts, wanted: Some(wanted_sender), remaining: length, is_finished: false };
        (BodySender { parts: part_sender, wanted: Some(wanted) }, Self::Streamed(body))
    }
}

impl From<Full<Bytes>> for UpstreamBody {
    fn from(body: Full<Bytes>) -> Self {
        Self::Whole(body)
    }
}

impl From<Bytes> for UpstreamBody {
    fn from(body: Bytes) -> Self {
        Self::Whole(Full::new(body))
    }
}

impl BodySender {
    /// Ready when the upstream is connected, has the request's head and asks for the body. Until then nothing of the
    /// body is gone, so that a request whose upstream cannot be reached may be made anew for another one.
    pub async fn wanted(&mut self) -> Result<(), BodyUnwanted> {
        if let Some(wanted) = &mut self.wanted {
            wanted.await.map_err(|_| BodyUnwanted)?;
            self.wanted = None;
        }
        Ok(())
    }

    /// Hands a part over, after the upstream took the ones before.
    pub async fn send(&mut self, part: Bytes) -> Result<(), BodyUnwanted> {
        self.wanted().await?;
        // An empty chunk would end the body.
        if part.is_empty() {
            return Ok(());
        }
        self.parts.send(Part::Data(part)).await.map_err(|_| BodyUnwanted)
    }

    /// Says that the body is complete.
    pub async fn finish(self) {
        // Nobody waits for the end of a body whose declared length was reached.
        let _ = self.parts.send(Part::End).await;
    }
}

impl StreamedBody {
    fn poll_part(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Result<Bytes, RequestBodyError>>> {
        if let Some(wanted) = self.wanted.take() {
            let _ = wanted.send(());
        }
        if self.is_complete() {
            return Poll::Ready(None);
        }
        self.parts.poll_recv(ctx).map(|part| match part {
            Some(Part::Data(bytes)) => Some(self.counted(bytes)),
            Some(Part::End) => self.ended(),
            None => Some(Err(RequestBodyError::BrokenOff)),
        })
    }

    fn is_complete(&self) -> bool {
        self.is_finished || self.remaining == Some(0)
    }

    fn counted(&mut self, bytes: Bytes) -> Result<Bytes, RequestBodyError> {
        if let Some(remaining) = &mut self.remaining {
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            *remaining = remaining.checked_sub(length).ok_or(RequestBodyError::TooLong)?;
        }
        Ok(bytes)
    }

    fn ended(&mut self) -> Option<Result<Bytes, RequestBodyError>> {
        self.is_finished = true;
        self.remaining.map(|_| Err(RequestBodyError::TooShort))
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(ctx).map_err(|never| match never {}),
            Self::Streamed(body) => body.poll_part(ctx).map(|part| part.map(|part| part.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Streamed(body) => body.is_complete(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Streamed(body) => body.remaining.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}
