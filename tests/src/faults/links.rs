//! The connections of a cluster, each through a fault proxy of its own.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;

use super::{Fault, FaultProxy, Way};

/// A way that a cluster's processes speak over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    FirstProxyNats,
    SecondProxyNats,
    FirstIngestNats,
    SecondIngestNats,
    FirstIngestPostgres,
    SecondIngestPostgres,
    /// Of both proxies.
    Upstream,
}

impl Link {
    pub const ALL: [Self; 7] = [
        Self::FirstProxyNats,
        Self::SecondProxyNats,
        Self::FirstIngestNats,
        Self::SecondIngestNats,
        Self::FirstIngestPostgres,
        Self::SecondIngestPostgres,
        Self::Upstream,
    ];
}

/// One fault proxy per [`Link`], in the order of [`Link::ALL`].
#[derive(Debug)]
pub struct Links(Vec<FaultProxy>);

impl Links {
    pub async fn start(upstream: SocketAddr, nats_port: u16, postgres: &str) -> anyhow::Result<Self> {
        let nats = SocketAddr::from((Ipv4Addr::LOCALHOST, nats_port));
        let postgres = host_of(postgres)?.parse().context("the address of Postgres")?;
        let mut proxies = Vec::new();
        for link in Link::ALL {
            let server = match link {
                Link::Upstream => upstream,
                Link::FirstIngestPostgres | Link::SecondIngestPostgres => postgres,
                Link::FirstProxyNats | Link::SecondProxyNats | Link::FirstIngestNats | Link::SecondIngestNats => nats,
            };
            proxies.push(FaultProxy::start(server).await?);
        }
        Ok(Self(proxies))
    }

    pub fn impose(&self, link: Link, fault: Fault, way: Way) {
        self.of(link).impose(fault, way);
    }

    pub fn heal(&self, link: Link) {
        self.of(link).heal();
    }

    pub fn heal_all(&self) {
        self.0.iter().for_each(FaultProxy::heal);
    }

    /// The same URL with the link's address in the place of the server's.
    pub fn through(&self, link: Link, url: &str) -> anyhow::Result<String> {
        Ok(url.replacen(host_of(url)?, &self.of(link).address().to_string(), 1))
    }

    fn of(&self, link: Link) -> &FaultProxy {
        &self.0[link as usize]
    }
}

/// `host:port` of `scheme://user@host:port/path`.
fn host_of(url: &str) -> anyhow::Result<&str> {
    let (_, rest) = url.split_once("://").with_context(|| format!("no URL: {url}"))?;
    let authority = rest.split('/').next().unwrap_or_default();
    Ok(authority.rsplit('@').next().unwrap_or_default())
}
