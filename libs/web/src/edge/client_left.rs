//! Noticing that an HTTP/2 client has left a request. Its tasks are not ended by actix, neither when the connection
//! ends nor when the client resets the one stream, as gateways do for each of their clients that leave.
//!
//! And that an HTTP/1 client has not left, although actix says so of one whose chunks cannot be understood.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use actix_http::{Payload, Request, error::PayloadError};
use bytes::Bytes;
use futures_util::Stream;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;

/// How often the stream is looked at: nothing tells when it is reset, once its body has been read.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The client's half of a stream, for who reads the body and for who wants to know whether it was reset.
pub(super) struct ClientHalf {
    payload: RefCell<Payload>,
    /// To its end.
    is_read: Cell<bool>,
    connection: Rc<Connection>,
}

/// Takes the body out of a request and puts a reader of the same body in its place.
pub(super) fn share_body(request: &mut Request, connection: &Rc<Connection>) -> Rc<ClientHalf> {
    let payload = RefCell::new(request.take_payload());
    let half = Rc::new(ClientHalf { payload, is_read: Cell::new(false), connection: connection.clone() });
    *request.payload() = Payload::Stream { payload: Box::pin(BodyReader(half.clone())) };
    half
}

/// Ready when the connection has ended or the stream was reset.
pub(super) async fn client_left(closed: CancellationToken, half: Rc<ClientHalf>) {
    tokio::select! {
        () = closed.cancelled() => {}
        () = half.reset() => {}
    }
}

impl ClientHalf {
    /// Whether the body was read to its end, and was whole.
    pub(super) fn is_read(&self) -> bool {
        self.is_read.get()
    }

    async fn reset(&self) {
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        while !self.is_reset() {
            look.tick().await;
        }
    }

    /// Behind the body's end there is nothing more, or the error that the stream was reset with. Before it, whoever
    /// reads the body gets that error, and waits with a waker that must not be replaced.
    fn is_reset(&self) -> bool {
        let ctx = &mut Context::from_waker(Waker::noop());
        self.is_read.get() && matches!(self.poll_payload(ctx), Poll::Ready(Some(Err(_))))
    }

    fn poll_payload(&self, ctx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        Pin::new(&mut *self.payload.borrow_mut()).poll_next(ctx)
    }
}

struct BodyReader(Rc<ClientHalf>);

impl Stream for BodyReader {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.0.poll_payload(ctx);
        self.0.is_read.set(matches!(polled, Poll::Ready(None)));
        match polled {
            Poll::Ready(Some(Err(PayloadError::Incomplete(_)))) if !self.0.connection.client_has_ended() => {
                Poll::Ready(Some(Err(PayloadError::EncodingCorrupted)))
            }
            polled => polled,
        }
    }
}
