//! Listeners: bound before anything else is promised, served until the lifecycle stops.

use std::net::{SocketAddr, TcpListener};

use actix_web::{App, HttpResponse, HttpServer, dev::ServerHandle, middleware::from_fn, web};
use maas_runtime::{exit::StartError, lifecycle::Lifecycle};

use crate::middleware::{Unrouted, control_plane};

/// Binds, or says which setting to change. Port 0 picks a free one; ask the listener which.
pub fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener, StartError> {
    let failed = |error: std::io::Error| {
        let hint = format!("stop what uses the port, or change {setting}");
        StartError::unavailable(format!("cannot listen on {address}"), error, hint)
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Serves control-plane resources on `listener` until the lifecycle's soft stop; requests in progress are finished.
pub fn serve_control_plane<F>(
    lifecycle: &Lifecycle,
    name: &str,
    listener: TcpListener,
    workers: usize,
    configure: F,
) -> std::io::Result<()>
where
    F: Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
{
    let server = HttpServer::new(move || {
        App::new().wrap(from_fn(control_plane)).configure(configure.clone()).default_service(web::to(unrouted))
    })
    .workers(workers.max(1))
    .disable_signals()
    .shutdown_timeout(30)
    .listen(listener)?
    .run();
    run_until_stopped(lifecycle, name, server.handle(), server);
    Ok(())
}

/// Tracks a running actix server: it stops gracefully with the lifecycle, and its end before that is a failure.
pub fn run_until_stopped<S>(lifecycle: &Lifecycle, name: &str, handle: ServerHandle, server: S)
where
    S: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let soft_stop = lifecycle.soft_stop().clone();
    // The server answers its handle only while it is polled, so the two run as two tasks.
    lifecycle.spawn(format!("{name} listener"), async move { Ok(server.await?) });
    lifecycle.spawn(format!("{name} listener stop"), async move {
        soft_stop.cancelled().await;
        handle.stop(true).await;
        Ok(())
    });
}

/// The settings of a listener that carries the data plane, applied to an `HttpServer` (a macro, since the type of its
/// factory cannot be named).
///
/// Small writes leave at once: a stream's last chunk would otherwise wait for the client's delayed acknowledgement
/// (measured: 43 ms added to a stream that took 1). Half-closed connections are not allowed: else a client that leaves a
/// request that is not streamed would be noticed only when the answer is written. Headers must be there within ten
/// seconds.
#[macro_export]
macro_rules! data_plane_server {
    ($server:expr, $workers:expr, $drain:expr) => {
        $server
            .workers(if $workers == 0 { $crate::server::default_workers() } else { $workers })
            .tcp_nodelay(true)
            .h1_allow_half_closed(false)
            .client_request_timeout(::std::time::Duration::from_secs(10))
            .keep_alive(::std::time::Duration::from_secs(75))
            .max_connections(25_000)
            .backlog(4_096)
            .disable_signals()
            .shutdown_timeout($drain.as_secs())
    };
}

/// One worker per core.
pub fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

async fn unrouted() -> HttpResponse {
    let mut response = HttpResponse::NotFound().finish();
    response.extensions_mut().insert(Unrouted);
    response
}
