//! What the stream of a connection and the requests on it know of each other. Both stay on one thread.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Instant,
};

use actix_http::Protocol;
use tokio_util::sync::CancellationToken;

use super::{ClientPatience, LINGER};

pub struct Connection {
    /// Those whose head is there and whose answer is not yet done.
    requests: Cell<u32>,
    has_served: Cell<bool>,
    idle_since: Cell<Instant>,
    /// When the first bytes came after which a request has not begun yet.
    head_began: Cell<Option<Instant>>,
    /// Its last answer has been given.
    is_over: Cell<bool>,
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
            is_over: Cell::new(false),
            http2: (protocol == Protocol::Http2).then(Http2::default),
        })
    }

    pub fn close(&self) {
        if let Some(http2) = &self.http2 {
            http2.closed.cancel();
        }
    }

    /// Bytes came. Between requests they begin a head; the first head of a connection is timed by actix, which answers
    /// 408, and of HTTP/2 any frame may come.
    pub fn bytes_came(&self) {
        if self.requests.get() == 0 && self.has_served.get() && self.http2.is_none() && self.head_began.get().is_none()
        {
            self.head_began.set(Some(Instant::now()));
        }
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
        let idle_until = self.idle_since.get() + patience.idle;
        Some(self.head_began.get().map_or(idle_until, |began| began + patience.head))
    }
}

/// A request in progress, until it is dropped with its answer.
pub struct RequestGuard {
    connection: Rc<Connection>,
    answer: u64,
}

impl RequestGuard {
    pub fn enter(connection: Rc<Connection>) -> Self {
        connection.requests.set(connection.requests.get() + 1);
        connection.has_served.set(true);
        connection.head_began.set(None);
        let answer =
            connection.http2.as_ref().map_or(0, |http2| http2.next_answer.replace(http2.next_answer.get() + 1));
        Self { connection, answer }
    }

    /// The answer is the connection's last: the client has not read our refusal yet, and may still send a body that nobody
    /// reads, but not for long.
    pub fn is_last(&self) {
        self.connection.is_over.set(self.connection.http2.is_none());
    }

    /// A part of the answer was handed out; until [`part_taken`](Self::part_taken) the client is waited for.
    pub fn part_given(&self) {
        if let Some(http2) = &self.connection.http2 {
            http2.waiting.borrow_mut().push((self.answer, Instant::now()));
        }
    }

    pub fn part_taken(&self) {
        if let Some(http2) = &self.connection.http2 {
            http2.waiting.borrow_mut().retain(|(answer, _)| *answer != self.answer);
        }
    }

    /// Cancelled when the connection ends. HTTP/1 has none: there the requests end with the connection anyway.
    pub fn closed(&self) -> Option<CancellationToken> {
        self.connection.http2.as_ref().map(|http2| http2.closed.clone())
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.part_taken();
        let connection = &self.connection;
        connection.requests.set(connection.requests.get().saturating_sub(1));
        connection.idle_since.set(Instant::now());
    }
}
