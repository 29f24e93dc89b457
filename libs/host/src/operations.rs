//! The operations listener of a process.

use std::{net::TcpListener, sync::Arc};

use actix_web::{App, HttpServer};
use maas_runtime::process::Process;
use maas_web::operations::{Operations, configure};

/// Serves liveness, readiness and metrics to the very end: it stops only with the process.
pub fn serve_operations(
    process: &Process,
    listener: TcpListener,
    refresh: impl Fn() + Send + Sync + 'static,
) -> std::io::Result<()> {
    let operations = Operations {
        readiness: process.readiness.clone(),
        metrics: process.metrics.clone(),
        refresh: Arc::new(refresh),
    };
    let server = HttpServer::new(move || {
        let operations = operations.clone();
        App::new().configure(move |services| configure(services, operations))
    });
    let server = server.workers(1).disable_signals().shutdown_timeout(1).listen(listener)?.run();
    // Not tracked: it must answer while everything else drains, and nothing is lost when it is cut off.
    tokio::spawn(server);
    Ok(())
}
