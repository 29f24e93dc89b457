//! Loopback ports.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::Context;

/// A loopback port that was free a moment ago. The kernel hands ephemeral ports out in turn, so two callers rarely meet;
/// a server that can bind port 0 itself should do that instead.
pub fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free loopback port")?;
    Ok(listener.local_addr()?.port())
}
