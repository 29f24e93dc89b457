//! Requests and answers that count on their connection, and that end when the client leaves.

use std::{
    future::Future,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
};

use actix_http::{ConnectionType, Request, Response, StatusCode, Version, body::BoxBody};
use actix_web::{
    body::{BodySize, MessageBody},
    dev::Service,
};
use bytes::Bytes;
use futures_util::future::{Either, LocalBoxFuture, select};

use super::{
    check::fault_of,
    client_left::{client_left, share_body},
    connection::{Connection, RequestGuard},
};

/// Calls the application. If the client leaves meanwhile the call is dropped; nobody sees what is answered then.
pub(super) fn answer_on_connection<S, B>(
    mut request: Request,
    application: &S,
) -> impl Future<Output = Result<Response<BoxBody>, Response<BoxBody>>> + use<S, B>
where
    S: Service<Request, Error = Response<BoxBody>>,
    S::Response: Into<Response<B>>,
    B: MessageBody + 'static,
{
    let guard = request.conn_data::<Rc<Connection>>().cloned().map(RequestGuard::enter);
    let left = guard.as_ref().and_then(|guard| watch_client(&mut request, guard));
    let fault = fault_of(&request);
    let is_old = request.version() == Version::HTTP_10;
    let call = fault.is_none().then(|| application.call(request));
    async move {
        let (Some(guard), Some(call)) = (guard, call) else {
            return Err(refusal(fault.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)));
        };
        let (answered, left) = match left {
            None => (call.await, None),
            Some(left) => match select(pin!(call), left).await {
                Either::Left((answered, left)) => (answered, Some(left)),
                Either::Right(_) => return Err(refusal(StatusCode::BAD_REQUEST)),
            },
        };
        let response = answered?.into();
        if response.head().connection_type() == ConnectionType::Close {
            guard.is_last();
        }
        let mut response = response.map_body(|_, body| Answer { body: body.boxed(), guard, left }.boxed());
        if is_old {
            end_with_connection(&mut response);
        }
        Ok(response)
    }
}

/// Only in HTTP/2: requests of HTTP/1 are dropped with their connection.
fn watch_client(request: &mut Request, guard: &RequestGuard) -> Option<LocalBoxFuture<'static, ()>> {
    let closed = guard.closed()?;
    let half = share_body(request);
    Some(Box::pin(client_left(closed, half)))
}

/// HTTP/1.0 knows no chunks: there the end of the connection is the end of an answer whose length is not known.
fn end_with_connection(response: &mut Response<BoxBody>) {
    if response.body().size() == BodySize::Stream {
        response.head_mut().no_chunking(true);
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
}

/// Without a body, and the connection's last.
fn refusal(status: StatusCode) -> Response<BoxBody> {
    let mut response = Response::new(status);
    response.head_mut().set_connection_type(ConnectionType::Close);
    response
}

struct Answer {
    body: BoxBody,
    guard: RequestGuard,
    left: Option<LocalBoxFuture<'static, ()>>,
}

impl MessageBody for Answer {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        this.guard.part_taken();
        if this.left.as_mut().is_some_and(|left| left.as_mut().poll(ctx).is_ready()) {
            return Poll::Ready(Some(Err("the client has left".into())));
        }
        let polled = Pin::new(&mut this.body).poll_next(ctx);
        if matches!(polled, Poll::Ready(Some(Ok(_)))) {
            this.guard.part_given();
        }
        polled
    }
}
