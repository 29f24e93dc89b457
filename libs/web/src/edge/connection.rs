//! What the stream of a connection and the requests on it know of each other. Both stay on one thread.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Instant,
};

use actix_http::Protocol;
use futures_util::future::LocalBoxFuture;
use tokio_util::sync::CancellationToken;

use super::{
    ClientPatience, LINGER,
    check::Fault,
    client_left::{ClientHalf, client_left},
    farewell::Farewell,
    refusal::split_off_refusal,
};

pub struct Connection {
    /// Those whose head is there and whose answer is not yet done.
    requests: Cell<u32>,
    has_served: Cell<bool>,
    idle_since: Cell<Instant>,
    /// When the first bytes came after which a request has not begun yet.
    head_began: Cell<Option<Instant>>,
    /// The client sends no more.
    client_has_ended: Cell<bool>,
    /// Its last answer has been given.
    is_over: Cell<bool>,
    pub farewell: Farewell,
    /// The application has handed out what is not yet written and may end as a head does.
    may_end_like_a_head: Cell<bool>,
    http2: Option<Http2>,
}

/// HTTP/2's requests run as tasks beside the connection, and wait for the client each for itself.
#[derive(Default)]
struct Http2 {
    closed: CancellationToken,
    next_answer: Cell<u64>,
    /// Answers of which a part waits until the client takes it, and since when.
    waiting: RefCell<Vec<(u64, Instant)>>,
}

impl Connection {
    pub fn new(protocol: Protocol) -> Rc<Self> {
        Rc::new(Self {
            requests: Cell::new(0),
            has_served: Cell::new(false),
            idle_since: Cell::new(Instant::now()),
            head_began: Cell::new(None),
            client_has_ended: Cell::new(false),
            is_over: Cell::new(false),
            farewell: Farewell::default(),
            may_end_like_a_head: Cell::new(false),
            http2: (protocol == Protocol::Http2).then(Http2::default),
        })
    }

    pub fn close(&self) {
        if let Some(http2) = &self.http2 {
            http2.closed.cancel();
        }
    }

    /// Between requests they begin a head, but of HTTP/2 any frame may come. None: the client has ended.
    pub fn bytes_came(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.client_has_ended.set(true);
        } else if !self.is_busy() && self.http2.is_none() && self.head_began.get().is_none() {
            self.head_began.set(Some(Instant::now()));
            self.farewell.head_began(bytes);
        }
    }

    pub fn client_has_ended(&self) -> bool {
        self.client_has_ended.get()
    }

    /// Requests of HTTP/1 end with their client; those of HTTP/2 notice it themselves.
    pub fn has_forsaken_requests(&self) -> bool {
        self.client_has_ended.get() && self.is_busy() && self.http2.is_none()
    }

    pub fn is_busy(&self) -> bool {
        self.requests.get() > 0
    }

    pub fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// All that the application has handed out so far is with the kernel.
    pub fn all_written(&self) {
        self.may_end_like_a_head.set(false);
    }

    /// If actix refuses the client with the end of what it writes: what stands before that, and why it does.
    ///
    /// It does so with the last bytes of a connection of HTTP/1, when no request is in progress. If what is written
    /// before could end like that too, nobody can tell them apart, and nothing is found.
    pub fn refusal_in<'a>(&self, written: &'a [u8]) -> Option<(&'a [u8], Fault)> {
        if self.is_busy() || self.http2.is_some() || self.may_end_like_a_head.get() {
            return None;
        }
        split_off_refusal(written)
    }

    /// Whether the client has begun a request and its time is up. What does not begin like one is the rest of a body that
    /// nobody reads.
    pub fn is_late_with_a_head(&self, patience: ClientPatience) -> bool {
        let may_begin = !self.is_busy() && !self.is_over() && self.farewell.has_request_line();
        may_begin && self.head_began.get().is_some_and(|began| began + patience.head <= Instant::now())
    }

    /// When the client's time is up, if it is the client that is waited for.
    pub fn deadline(&self, patience: ClientPatience) -> Option<Instant> {
        if self.requests.get() > 0 {
            let waiting = self.http2.as_ref()?.waiting.borrow();
            return waiting.iter().map(|(_, since)| *since + patience.stalled).min();
        }
        if self.is_over.get() {
            return Some(self.idle_since.get() + LINGER);
        }
        match self.head_began.get() {
            // The first head of a connection is timed by actix, which answers 408.
            Some(_) if !self.has_served.get() => None,
            Some(began) => Some(began + patience.head),
            None => Some(self.idle_since.get() + patience.idle),
        }
    }
}

/// A request in progress, until it is dropped with its answer.
pub struct RequestGuard {
    connection: Rc<Connection>,
    answer: u64,
    /// Until the request is answered; only of a body that may turn out to be broken.
    half: Option<Rc<ClientHalf>>,
}

impl RequestGuard {
    pub fn enter(connection: Rc<Connection>, half: Option<Rc<ClientHalf>>) -> Self {
        connection.requests.set(connection.requests.get() + 1);
        connection.has_served.set(true);
        connection.head_began.set(None);
        let answer =
            connection.http2.as_ref().map_or(0, |http2| http2.next_answer.replace(http2.next_answer.get() + 1));
        Self { connection, answer, half }
    }

    /// The request is answered. False if its body was not read to its end.
    pub fn answered(&mut self) -> bool {
        self.half.take().is_none_or(|half| half.is_read())
    }

    /// The answer is the connection's last: the client has not read our refusal yet, and may still send a body that nobody
    /// reads, but not for long.
    pub fn is_last(&self) {
        self.connection.is_over.set(self.connection.http2.is_none());
    }

    /// The answer has nothing but a head.
    pub fn head_given(&self) {
        self.connection.may_end_like_a_head.set(true);
    }

    /// A part of the answer was handed out; until [`part_taken`](Self::part_taken) the client is waited for.
    pub fn part_given(&self, part: &[u8], is_chunked: bool) {
        // Behind a chunk stands its own end, which is not like that of a head.
        if let Some(last) = part.last() {
            self.connection.may_end_like_a_head.set(*last == b'\n' && !is_chunked);
        }
        if let Some(http2) = &self.connection.http2 {
            http2.waiting.borrow_mut().push((self.answer, Instant::now()));
        }
    }

    pub fn part_taken(&self) {
        if let Some(http2) = &self.connection.http2 {
            http2.waiting.borrow_mut().retain(|(answer, _)| *answer != self.answer);
        }
    }

    /// Ready when the client has left. Only in HTTP/2: requests of HTTP/1 are dropped with their connection.
    pub fn watch_client(&self) -> Option<LocalBoxFuture<'static, ()>> {
        let closed = self.connection.http2.as_ref()?.closed.clone();
        Some(Box::pin(client_left(closed, self.half.clone()?)))
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.part_taken();
        let connection = &self.connection;
        connection.requests.set(connection.requests.get().saturating_sub(1));
        connection.idle_since.set(Instant::now());
        // Actix drops a request of HTTP/1 whose body is broken, unless it is answered at that moment.
        if connection.http2.is_none() && self.half.take().is_some_and(|half| !half.is_read()) {
            connection.farewell.set_fault(Fault::BrokenBody);
        }
    }
}
