//! The end of a connection whose client the HTTP implementation gives up on without saying why: it is said here.

use std::{cell::Cell, io, rc::Rc};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{
    LINGER, RenderRefusal,
    check::Fault,
    connection::Connection,
    first_line::FirstLine,
    refusal::{refuse, to_http1},
};

/// What is known of it while the connection lasts.
#[derive(Default)]
pub struct Farewell {
    /// Of the request that began last after a pause: one that cannot be read, or one before it.
    first_line: Cell<FirstLine>,
    fault: Cell<Option<Fault>>,
    socket: Cell<Option<TcpStream>>,
}

impl Farewell {
    pub fn head_began(&self, bytes: &[u8]) {
        self.first_line.set(FirstLine::from(bytes));
    }

    /// Whether what came after the last pause begins like a request.
    pub fn has_request_line(&self) -> bool {
        self.first_line.get().path().is_some()
    }

    /// From here on the connection only ends.
    pub fn set_fault(&self, fault: Fault) {
        self.fault.set(Some(fault));
    }

    pub fn is_due(&self) -> bool {
        self.fault.get().is_some()
    }

    /// The HTTP implementation is done with it, and all that was to be written is.
    pub fn take_over(&self, socket: TcpStream) {
        self.socket.set(Some(socket));
    }

    fn words_for(&self, fault: Fault, render: RenderRefusal) -> Bytes {
        let line = self.first_line.get();
        to_http1(refuse(fault, line.path().unwrap_or_default(), None, render))
    }
}

/// Serves a connection, and when the HTTP implementation is done with it answers a client that is owed an answer.
pub(super) async fn serve_to_the_end<E>(
    serving: impl Future<Output = Result<(), E>>,
    connection: Rc<Connection>,
    render: RenderRefusal,
) -> Result<(), E> {
    let served = serving.await;
    let farewell = &connection.farewell;
    // In any case, as somebody else may keep the connection's state for longer.
    let socket = farewell.socket.take();
    if let (Some(socket), Some(fault), true) = (socket, farewell.fault.get(), served.is_ok()) {
        // Behind its last answer the client gets nothing but the end.
        let words = if connection.is_over() { Bytes::new() } else { farewell.words_for(fault, render) };
        // A client that is gone needs no farewell.
        let _ = timeout(LINGER, end(socket, &words)).await;
    }
    served
}

/// Until the client has ended, too, what it sends is thrown away: closing at once could take the words from it.
async fn end(mut socket: TcpStream, words: &[u8]) -> io::Result<()> {
    socket.write_all(words).await?;
    socket.shutdown().await?;
    // Not a part of what every connection keeps.
    let mut unread = vec![0; 4096];
    while socket.read(&mut unread).await? > 0 {}
    Ok(())
}
