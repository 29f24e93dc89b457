//! Requests and answers that count on their connection, and that end when the client leaves.

use std::{
    future::Future,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
};

use actix_http::{ConnectionType, HttpMessage as _, Request, Response, Version, body::BoxBody, header};
use actix_web::{
    body::{BodySize, MessageBody},
    dev::Service,
};
use bytes::Bytes;
use futures_util::future::{Either, LocalBoxFuture, select};

use super::{
    check::{Fault, fault_of},
    client_left::share_body,
    connection::{Connection, RequestGuard},
    refusal::{RenderRefusal, refuse},
};

/// Calls the application, or refuses the request in its place. If the client leaves meanwhile the call is dropped;
/// nobody sees what is answered then.
pub(super) fn answer_on_connection<S, B>(
    mut request: Request,
    application: &S,
    render: RenderRefusal,
) -> impl Future<Output = Result<Response<BoxBody>, Response<BoxBody>>> + use<S, B>
where
    S: Service<Request, Error = Response<BoxBody>>,
    S::Response: Into<Response<B>>,
    B: MessageBody + 'static,
{
    let guard = request.conn_data::<Rc<Connection>>().cloned().map(|connection| {
        let half = may_break(&request).then(|| share_body(&mut request, &connection));
        RequestGuard::enter(connection, half)
    });
    let left = guard.as_ref().and_then(RequestGuard::watch_client);
    let is_old = request.version() == Version::HTTP_10;
    let is_last = request.head().connection_type() == ConnectionType::Close;
    let call = match fault_of(&request) {
        Some(fault) => Err(refusal(&request, fault, render)),
        None => Ok(application.call(request)),
    };
    async move {
        let Some(mut guard) = guard else { return Err(Response::internal_server_error()) };
        let (mut response, left) = match (call, left) {
            (Err(refusal), left) => (refusal, left),
            (Ok(call), None) => (response_of(call.await), None),
            (Ok(call), Some(left)) => match select(pin!(call), left).await {
                Either::Left((answered, left)) => (response_of(answered), Some(left)),
                Either::Right(_) => return Err(Response::bad_request()),
            },
        };
        // What follows in the connection would have to be told from the rest of this body.
        if !guard.answered() {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        if is_old {
            end_with_connection(&mut response);
        }
        if is_last || response.head().connection_type() == ConnectionType::Close {
            guard.is_last();
        }
        Ok(response.map_body(|head, body| Answer::new(body, head.chunked(), guard, left).boxed()))
    }
}

/// Bodies of HTTP/2, and those of HTTP/1 that come in chunks. Others have all their bytes, or their client has left.
fn may_break(request: &Request) -> bool {
    request.version() == Version::HTTP_2 || request.headers().contains_key(header::TRANSFER_ENCODING)
}

fn refusal(request: &Request, fault: Fault, render: RenderRefusal) -> Response<BoxBody> {
    let mut response = Response::from(refuse(fault, request.path(), request.headers().get("x-request-id"), render));
    response.head_mut().set_connection_type(ConnectionType::Close);
    response
}

fn response_of<R, B>(answered: Result<R, Response<BoxBody>>) -> Response<BoxBody>
where
    R: Into<Response<B>>,
    B: MessageBody + 'static,
{
    answered.map_or_else(|error| error, |response| response.into().map_into_boxed_body())
}

/// HTTP/1.0 knows no chunks: there the end of the connection is the end of an answer whose length is not known.
fn end_with_connection(response: &mut Response<BoxBody>) {
    if response.body().size() == BodySize::Stream {
        response.head_mut().no_chunking(true);
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
}

struct Answer {
    body: BoxBody,
    guard: RequestGuard,
    left: Option<LocalBoxFuture<'static, ()>>,
    is_chunked: bool,
}

impl Answer {
    fn new(
        body: BoxBody,
        may_be_chunked: bool,
        guard: RequestGuard,
        left: Option<LocalBoxFuture<'static, ()>>,
    ) -> Self {
        let size = body.size();
        if matches!(size, BodySize::None | BodySize::Sized(0)) {
            guard.head_given();
        }
        Self { body, guard, left, is_chunked: may_be_chunked && size == BodySize::Stream }
    }
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
        if let Poll::Ready(Some(Ok(part))) = &polled {
            this.guard.part_given(part, this.is_chunked);
        }
        polled
    }
}
