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

/// One worker per core.
pub fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

async fn unrouted() -> HttpResponse {
    let mut response = HttpResponse::NotFound().finish();
    response.extensions_mut().insert(Unrouted);
    response
}
