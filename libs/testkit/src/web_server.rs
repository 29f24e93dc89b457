//! A small HTTP server of a simulated provider, on a thread of its own.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::mpsc,
    thread::JoinHandle,
};

use actix_web::{App, HttpServer, dev::ServerHandle, web::ServiceConfig};

/// Stops when dropped.
pub(crate) struct WebServer {
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl WebServer {
    /// Accepts connections on a free loopback port when this returns. `configure` learns the server's own URL.
    pub fn start(configure: impl FnOnce(&str) -> ConfigureFn) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let configure = configure(&format!("http://{address}"));
        let (started, starting) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(move || {
                    let configure = configure.clone();
                    App::new().configure(move |services| configure(services))
                })
                .workers(1)
                .disable_signals()
                .shutdown_timeout(0)
                .listen(listener)?
                .run();
                let _ = started.send(server.handle());
                server.await
            })
        });
        let handle = starting.recv().map_err(io::Error::other)?;
        Ok(Self { address, handle, thread: Some(thread) })
    }

    /// `http://127.0.0.1:port`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// What a worker's app is built with.
pub(crate) type ConfigureFn = std::sync::Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;

impl Drop for WebServer {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
