//! A TCP proxy that misbehaves on command: what a network does to two processes that are both well.
//!
//! Guarantee: as long as a connection lives, every byte arrives once and in order, however late; what is held back by
//! [`Fault::BlackHole`] arrives after [`FaultProxy::heal`], as the retransmissions of TCP would bring it. A connection
//! that has lost an end ([`Fault::Cut`], [`Fault::HalfOpen`]) never comes back to life.

mod carry;
mod links;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

pub use links::{Link, Links};

/// What happens to the connections of a [`FaultProxy`] until it is healed, new ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Each piece comes so much later.
    Delay(Duration),
    Slow {
        bytes_per_second: u32,
    },
    /// Nothing passes, nobody is told.
    BlackHole,
    /// Both ends get a reset, and new connections are refused.
    Cut,
    /// One end gets a reset; the named one stays open and hears nothing, as when a middlebox forgets a connection or the
    /// other machine is gone. It gets its reset at the first byte that it sends after the fault.
    HalfOpen(End),
}

/// Which of the two ways of a connection are affected. Only the faults that slow down or hold back know one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Both,
    ToServer,
    ToClient,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Client,
    Server,
}

/// A listener on a loopback port that carries every connection to one server. Dropped, it resets what it carries.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    condition: watch::Sender<Condition>,
    listening: AbortHandle,
}

/// How the proxy behaves now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Condition {
    to_server: Flow,
    to_client: Flow,
    /// What befalls new connections, and those there were when `losses` last grew.
    loss: Option<Loss>,
    losses: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Free,
    Delayed(Duration),
    Slow { bytes_per_second: u32 },
    Held,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    BothEnds,
    /// All but this one.
    AllBut(End),
}

impl Condition {
    const HEALTHY: Self = Self { to_server: Flow::Free, to_client: Flow::Free, loss: None, losses: 0 };

    fn set_flow(&mut self, way: Way, flow: Flow) {
        if way != Way::ToClient {
            self.to_server = flow;
        }
        if way != Way::ToServer {
            self.to_client = flow;
        }
    }

    fn lose(&mut self, loss: Loss) {
        self.loss = Some(loss);
        self.losses += 1;
    }
}

impl FaultProxy {
    /// In front of `server`, harmless at first. Lives on the runtime of the caller.
    pub async fn start(server: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free loopback port")?;
        let address = listener.local_addr()?;
        let (condition, watched) = watch::channel(Condition::HEALTHY);
        let listening = tokio::spawn(carry::accept(listener, server, watched)).abort_handle();
        Ok(Self { address, condition, listening })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Until [`Self::heal`]; a second fault adds to the first.
    pub fn impose(&self, fault: Fault, way: Way) {
        self.condition.send_modify(|condition| match fault {
            Fault::Delay(delay) => condition.set_flow(way, Flow::Delayed(delay)),
            Fault::Slow { bytes_per_second } => condition.set_flow(way, Flow::Slow { bytes_per_second }),
            Fault::BlackHole => condition.set_flow(way, Flow::Held),
            Fault::Cut => condition.lose(Loss::BothEnds),
            Fault::HalfOpen(end) => condition.lose(Loss::AllBut(end)),
        });
    }

    pub fn heal(&self) {
        self.condition
            .send_modify(|condition| *condition = Condition { losses: condition.losses, ..Condition::HEALTHY });
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        // The connections notice that the condition has no owner any more.
        self.listening.abort();
    }
}

#[cfg(test)]
mod tests;
