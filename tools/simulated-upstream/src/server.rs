//! The server on its own thread.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread::JoinHandle;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};

use crate::behaviour::Behaviour;
use crate::counters::Counters;
use crate::recorder::{RecordedRequest, Recorder};
use crate::state::State;
use crate::{connection, control, routes};

/// Where and what a server serves.
#[derive(Debug, Clone)]
pub struct Options {
    pub address: IpAddr,
    /// 0: any free port.
    pub port: u16,
    pub workers: usize,
    pub models: Vec<String>,
    pub behaviour: Behaviour,
    /// Keeps the newest requests for [`SimulatedUpstream::last_requests`]; costs a few microseconds each.
    pub record_requests: bool,
    /// Counts each request that names itself with `x-request-id` apart, and for ever.
    pub keep_served: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            workers: 1,
            models: ["sim-chat", "sim/llama-3.1-8b", "sim-embed"].map(str::to_owned).to_vec(),
            behaviour: Behaviour::default(),
            record_requests: true,
            keep_served: false,
        }
    }
}

/// A running server; it stops when dropped.
pub struct SimulatedUpstream {
    address: SocketAddr,
    state: web::Data<State>,
    handle: ServerHandle,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl SimulatedUpstream {
    /// A well-behaved server on a free loopback port.
    pub fn start() -> io::Result<Self> {
        Self::start_with(Behaviour::default())
    }

    pub fn start_with(behaviour: Behaviour) -> io::Result<Self> {
        Self::start_with_options(Options { behaviour, ..Options::default() })
    }

    /// Accepts connections when this returns. Needs no async runtime: the server brings its own.
    pub fn start_with_options(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((options.address, options.port))?;
        let address = listener.local_addr()?;
        let state = web::Data::new(State::new(options.clone()));
        let (started, starting) = mpsc::channel();
        let (shared, workers) = (state.clone(), options.workers.max(1));
        let thread = std::thread::Builder::new()
            .name("simulated-upstream".to_owned())
            .spawn(move || run(listener, shared, workers, &started))?;
        match starting.recv() {
            Ok(handle) => Ok(Self { address, state, handle, thread: Some(thread) }),
            Err(_) => Err(join(thread).err().unwrap_or_else(|| io::Error::other("the server did not start"))),
        }
    }

    /// `http://127.0.0.1:port/v1`, as an OpenAI client wants it.
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.root_url())
    }

    /// `http://127.0.0.1:port`
    pub fn root_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For requests that arrive from now on.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.state.set_behaviour(behaviour);
    }

    /// Changes a part; what was counted towards a limited number of errors stays counted.
    pub fn change_behaviour(&self, change: impl FnOnce(&mut Behaviour)) {
        self.state.change_behaviour(change);
    }

    /// What `/health` and `/v1/health` answer from now on; other answers stay as they are.
    pub fn set_healthy(&self, healthy: bool) {
        self.change_behaviour(|behaviour| behaviour.health_status = if healthy { 200 } else { 503 });
    }

    pub fn counters(&self) -> Counters {
        self.state.counters.snapshot()
    }

    /// The newest requests to the API, oldest first.
    pub fn last_requests(&self) -> Vec<RecordedRequest> {
        self.state.recorder.as_ref().map(Recorder::newest).unwrap_or_default()
    }

    /// The newest request to the API.
    pub fn last_request(&self) -> Option<RecordedRequest> {
        self.last_requests().pop()
    }

    /// The newest requests to paths that end so, oldest first.
    pub fn requests_to(&self, path_end: &str) -> Vec<RecordedRequest> {
        let requests = self.last_requests().into_iter();
        requests.filter(|request| request.path.ends_with(path_end)).collect()
    }

    /// Back to the first behaviour, nothing counted, recorded or kept.
    pub fn reset(&self) {
        self.state.reset();
    }

    /// Closes the port and cuts every connection.
    pub async fn stop(mut self) -> io::Result<()> {
        self.handle.stop(false).await;
        match self.thread.take() {
            Some(thread) => tokio::task::spawn_blocking(move || join(thread)).await.map_err(io::Error::other)?,
            None => Ok(()),
        }
    }
}

impl Drop for SimulatedUpstream {
    fn drop(&mut self) {
        // The command goes out at once; only its confirmation would have to be awaited.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = join(thread);
        }
    }
}

fn run(
    listener: TcpListener,
    state: web::Data<State>,
    workers: usize,
    started: &mpsc::Sender<ServerHandle>,
) -> io::Result<()> {
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || {
            App::new().app_data(state.clone()).configure(control::configure).configure(routes::configure)
        })
        .on_connect(connection::keep_socket)
        // A client that leaves while its answer is being worked on is noticed at once only without half-closed sockets.
        .h1_allow_half_closed(false)
        .workers(workers)
        .disable_signals()
        .listen(listener)?
        .run();
        // Nobody waits for the handle only when the caller is gone, and then there is nobody to serve.
        let _ = started.send(server.handle());
        server.await
    })
}

fn join(thread: JoinHandle<io::Result<()>>) -> io::Result<()> {
    thread.join().unwrap_or_else(|_| Err(io::Error::other("the server's thread has panicked")))
}
