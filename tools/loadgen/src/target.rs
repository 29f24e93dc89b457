//! Where to send requests: loopback only, so that a mistyped address never loads somebody else's machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub address: SocketAddr,
    /// As it was written, for the `host` header.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    #[error("the target must begin with http://")]
    NotHttp,
    #[error("`{0}` is not a loopback address: this tool only loads servers on its own machine")]
    NotLoopback(String),
    #[error("`{0}` is not a port")]
    BadPort(String),
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(url: &str) -> Result<Self, InvalidTarget> {
        let rest = url.strip_prefix("http://").ok_or(InvalidTarget::NotHttp)?;
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/"),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (authority, "80"),
        };
        let port = port.parse().map_err(|_| InvalidTarget::BadPort(port.to_owned()))?;
        let ip = loopback(host).ok_or_else(|| InvalidTarget::NotLoopback(host.to_owned()))?;
        Ok(Self { address: SocketAddr::new(ip, port), authority: authority.to_owned(), path: path.to_owned() })
    }
}

/// Names are not looked up: what they mean is decided elsewhere.
fn loopback(host: &str) -> Option<IpAddr> {
    if host == "localhost" {
        return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let ip: IpAddr = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    ip.is_loopback().then_some(ip)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn loopback_targets_are_taken_apart() {
        let target: Target = "http://127.0.0.1:8080/v1/models?limit=1".parse().unwrap();
        assert_eq!((target.address.port(), target.path.as_str()), (8080, "/v1/models?limit=1"));
        assert_eq!("http://[::1]:81".parse::<Target>().unwrap().address.to_string(), "[::1]:81");
        assert_eq!("http://localhost".parse::<Target>().unwrap().address.to_string(), "127.0.0.1:80");
    }

    #[test]
    fn other_targets_are_refused() {
        for url in ["http://10.0.0.1:80/", "http://example.com/", "http://127.0.0.1.example.com/", "http://0.0.0.0:80/"]
        {
            assert!(matches!(url.parse::<Target>(), Err(InvalidTarget::NotLoopback(_))), "{url}");
        }
        assert_eq!("https://127.0.0.1/".parse::<Target>(), Err(InvalidTarget::NotHttp));
    }
}
