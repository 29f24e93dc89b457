//! A client's connection as the HTTP implementation reads and writes it. It fails when the client keeps us waiting for
//! longer than it may: with a head, with nothing at all, or with taking its answer.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use actix_http::Protocol;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};

use super::{ClientPatience, LINGER, connection::Connection};

pub struct ClientStream {
    socket: TcpStream,
    connection: Rc<Connection>,
    patience: ClientPatience,
    /// Since when the client takes nothing.
    write_blocked: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl ClientStream {
    pub fn new(socket: TcpStream, protocol: Protocol, patience: ClientPatience) -> Self {
        Self { socket, connection: Connection::new(protocol), patience, write_blocked: None, alarm: None }
    }

    pub fn connection(&self) -> Rc<Connection> {
        self.connection.clone()
    }

    fn deadline(&self) -> Option<Instant> {
        let write = self.write_blocked.map(|since| since + self.patience.stalled);
        [write, self.connection.deadline(self.patience)].into_iter().flatten().min()
    }

    /// Pending until the client's time is up.
    ///
    /// The alarm rings after the shortest time at the latest and is then set anew if need be. Whatever the client does
    /// meanwhile has a later deadline, so that a busy connection sets its alarm every few seconds and not per request.
    fn poll_overdue(&mut self, ctx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(deadline) = self.deadline() else { return Poll::Pending };
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
        let read = Pin::new(&mut self.socket).poll_read(ctx, buffer);
        if read.is_pending() {
            return self.poll_overdue(ctx).map(Err);
        }
        if buffer.filled().len() > before {
            self.connection.bytes_came();
        }
        read
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(ctx, bytes);
        self.after_write(written, ctx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(ctx, buffers);
        self.after_write(written, ctx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(ctx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(ctx)
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        self.connection.close();
    }
}
