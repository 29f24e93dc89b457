//! The data plane's listener: HTTP/1 and HTTP/2 with prior knowledge on one port, for clients that may be slow, gone or
//! hostile.
//!
//! It puts actix's parts together itself, since `HttpServer` limits the time for the head of a connection's first
//! request only, waits for ever for the first bytes when it must tell HTTP/2 from HTTP/1, and goes on with a request
//! whose HTTP/2 client has left.

mod accept;
mod answer;
mod check;
mod client_left;
mod connection;
mod farewell;
mod first_line;
mod refusal;
mod stream;

use std::{fmt, io, net::TcpListener, time::Duration};

use actix_http::{HttpService, Request, Response};
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt as _, apply_fn_factory, fn_service, map_config,
};
use actix_web::{
    body::MessageBody,
    dev::{AppConfig, Server, Service},
};
use maas_runtime::lifecycle::Lifecycle;
use socket2::SockRef;

use crate::server::{default_workers, run_until_stopped};
use {
    accept::{Accepted, accept},
    answer::answer_on_connection,
    farewell::serve_to_the_end,
    stream::ClientStream,
};

pub use check::Fault;
pub use refusal::{Refused, RenderRefusal};

/// Connections of one worker; more wait in the kernel.
const MAX_CONNECTIONS: usize = 25_000;
/// Connections that the kernel accepts for us before we take them.
const BACKLOG: i32 = 4_096;
/// How long we go on reading what a refused client still sends: closing at once could take the refusal from it.
const LINGER: Duration = Duration::from_secs(2);
/// What an HTTP/2 client may send ahead of who reads it, in bytes.
const HTTP2_STREAM_WINDOW: u32 = 256 * 1024;
const HTTP2_CONNECTION_WINDOW: u32 = 1024 * 1024;

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub struct ClientPatience {
    /// For the first bytes of a connection, and for the head of each of its requests.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// For taking anything of an answer.
    pub stalled: Duration,
}

impl Default for ClientPatience {
    fn default() -> Self {
        Self { head: Duration::from_secs(10), idle: Duration::from_secs(75), stalled: Duration::from_secs(120) }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct DataPlaneOptions {
    /// 0 = one per core.
    pub workers: usize,
    /// How long requests in progress may go on when the process stops.
    pub drain: Duration,
    pub patience: ClientPatience,
    /// For what is refused before the application sees it.
    pub render_refusal: RenderRefusal,
}

/// Serves the applications that `factory` makes, one for each worker thread, until the lifecycle's soft stop.
///
/// A client that closes its half of a connection has left: else one that leaves a request which is not streamed would be
/// noticed only when the answer is written. The stream sees to it. For actix, which takes garbage behind a request for
/// such an end, half-closed connections are allowed, so that the request before the garbage is still answered.
pub fn serve_data_plane<F, I, S, B>(
    lifecycle: &Lifecycle,
    name: &str,
    listener: TcpListener,
    options: DataPlaneOptions,
    factory: F,
) -> io::Result<()>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    // It was bound with a short queue.
    SockRef::from(&listener).listen(BACKLOG)?;
    let DataPlaneOptions { workers, drain, patience, render_refusal } = options;
    let builder = Server::build()
        .workers(if workers == 0 { default_workers() } else { workers })
        .max_concurrent_connections(MAX_CONNECTIONS)
        .disable_signals()
        .shutdown_timeout(drain.as_secs());
    let stopping = builder.graceful_shutdown_signal();
    let service = move || {
        let (stopping, accept_until) = (stopping.clone(), stopping.clone());
        let app = factory().into_factory().map_err(|error| Response::from(error.into().error_response()));
        let app = map_config(app, |()| AppConfig::default());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(patience.idle)
            .client_request_timeout(patience.head)
            .client_disconnect_timeout(LINGER)
            .h1_allow_half_closed(true)
            .h2_initial_window_size(HTTP2_STREAM_WINDOW)
            .h2_initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
            .on_connect_ext(|stream: &ClientStream, data| _ = data.insert(stream.connection()))
            .finish(apply_fn_factory(app, move |request, app: &_| {
                answer_on_connection::<_, B>(request, app, render_refusal)
            }));
        fn_service(move |socket| {
            let stopping = accept_until.clone();
            async move { accept(socket, patience, stopping.notified()).await }
        })
        .and_then(apply_fn_factory(http, move |accepted: Accepted, http: &_| {
            let connection = accepted.0.connection();
            serve_to_the_end(http.call(accepted), connection, render_refusal)
        }))
    };
    let server = builder.listen(name, listener, service)?.run();
    run_until_stopped(lifecycle, name, server.handle(), server);
    Ok(())
}
