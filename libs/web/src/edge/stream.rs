//! A client's connection as the HTTP implementation reads and writes it. It fails when the client leaves its requests, or
//! keeps us waiting for longer than it may: with a head, with nothing at all, or with taking its answer. Actix's own
//! refusals, which say nothing, are not written but noted, for a [`Farewell`](super::farewell::Farewell).

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use actix_http::Protocol;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};

use super::{ClientPatience, LINGER, check::Fault, connection::Connection};

pub struct ClientStream {
    /// Always there: it is taken when this is dropped.
    socket: Option<TcpStream>,
    connection: Rc<Connection>,
    patience: ClientPatience,
    /// Since when the client takes nothing.
    write_blocked: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl ClientStream {
    pub fn new(socket: TcpStream, protocol: Protocol, patience: ClientPatience) -> Self {
        let (socket, connection) = (Some(socket), Connection::new(protocol));
        Self { socket, connection, patience, write_blocked: None, alarm: None }
    }

    pub fn connection(&self) -> Rc<Connection> {
        self.connection.clone()
    }

    fn socket(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.socket.as_mut().map(Pin::new).ok_or(io::ErrorKind::NotConnected.into())
    }

    fn deadline(&self) -> Option<Instant> {
        let write = self.write_blocked.map(|since| since + self.patience.stalled);
        // Who still takes the end of an answer is not idle.
        let other = self.connection.deadline(self.patience);
        let other = other.filter(|_| write.is_none() || self.connection.is_busy());
        [write, other].into_iter().flatten().min()
    }

    /// Pending until the client's time is up.
    ///
    /// The alarm rings after the shortest time at the latest and is then set anew if need be. Whatever the client does
    /// meanwhile has a later deadline, so that a busy connection sets its alarm every few seconds and not per request.
    fn poll_overdue(&mut self, ctx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(deadline) = self.deadline() else { return Poll::Pending };
        // Before the clock is read, which costs more.
        if self.alarm.as_mut().is_some_and(|alarm| alarm.as_mut().poll(ctx).is_pending()) {
            return Poll::Pending;
        }
        loop {
            let now = Instant::now();
            if deadline <= now {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            let ring_at = deadline.min(now + self.shortest_time());
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(ring_at.into())));
            if alarm.as_mut().poll(ctx).is_pending() {
                return Poll::Pending;
            }
            alarm.as_mut().reset(ring_at.into());
        }
    }

    fn shortest_time(&self) -> Duration {
        self.patience.head.min(self.patience.idle).min(self.patience.stalled).min(LINGER)
    }

    /// The same, where the client is not read from. One that is late with a head can still be told.
    fn poll_overdue_head(&mut self, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let overdue = ready!(self.poll_overdue(ctx));
        if self.write_blocked.is_some() || !self.connection.is_late_with_a_head(self.patience) {
            return Poll::Ready(Err(overdue));
        }
        self.connection.farewell.set_fault(Fault::HeadTooSlow);
        // As if the client had ended: actix closes.
        Poll::Ready(Ok(()))
    }

    /// What a write came to, judged by how long it has been blocked.
    fn after_write(&mut self, written: Poll<io::Result<usize>>, ctx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.write_blocked = None;
            return written;
        }
        self.write_blocked.get_or_insert_with(Instant::now);
        self.poll_overdue(ctx).map(Err)
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = self.socket()?.poll_read(ctx, buffer);
        if read.is_pending() {
            return self.poll_overdue_head(ctx);
        }
        self.connection.bytes_came(buffer.filled().get(before..).unwrap_or_default());
        read
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.connection.farewell.is_due() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let bytes = match self.connection.refusal_in(bytes) {
            None => bytes,
            Some(([], fault)) => {
                self.connection.farewell.set_fault(fault);
                // Taken with the next poll: when it is written at once, actix does not close, but reports a failure.
                ctx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some((answer, _)) => answer,
        };
        let written = self.socket()?.poll_write(ctx, bytes);
        if matches!(written, Poll::Ready(Ok(count)) if count == bytes.len()) {
            self.connection.all_written();
        }
        self.after_write(written, ctx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.socket()?.poll_write_vectored(ctx, buffers);
        self.after_write(written, ctx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.as_ref().is_some_and(TcpStream::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // They were polled once more since, as actix does after every read: what they answered at once is written.
        if self.connection.has_forsaken_requests() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        // From a connection that is over actix may never read again, and so not ask for how long it has been.
        if self.connection.is_over()
            && let Poll::Ready(overdue) = self.poll_overdue(ctx)
        {
            return Poll::Ready(Err(overdue));
        }
        self.socket()?.poll_flush(ctx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.farewell.is_due() {
            return Poll::Ready(Ok(()));
        }
        self.socket()?.poll_shutdown(ctx)
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        self.connection.close();
        if let Some(socket) = self.socket.take().filter(|_| self.write_blocked.is_none()) {
            self.connection.farewell.take_over(socket);
        }
    }
}
