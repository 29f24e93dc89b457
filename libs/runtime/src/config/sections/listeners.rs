//! What a service listens on: the public, the operations and the internal port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use maas_types::Cidr;
use serde::{Deserialize, Serialize};

use crate::config::{Faults, Secret, Validate};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const TOKEN_MIN_BYTES: usize = 32;

/// The public listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HttpSection {
    /// Address to listen on; `0.0.0.0` or `::` to be reached from elsewhere.
    pub host: IpAddr,
    pub port: u16,
    /// The URL that clients use, without a slash at the end. Empty: worked out from host and port.
    pub public_url: String,
    pub cors: CorsSection,
    /// Reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Cidr>,
    /// Worker threads; 0 is one per core.
    pub workers: usize,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CorsSection {
    /// Origins (`https://portal.example.com`) whose scripts may call; none by default.
    pub allowed_origins: Vec<String>,
}

impl HttpSection {
    pub fn with_port(port: u16) -> Self {
        Self {
            host: LOOPBACK,
            port,
            public_url: String::new(),
            cors: CorsSection::default(),
            trusted_proxies: Vec::new(),
            workers: 0,
        }
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }

    /// The configured public URL, or one that works from this machine.
    pub fn public_url(&self) -> String {
        if !self.public_url.is_empty() {
            return self.public_url.clone();
        }
        let host = if self.host.is_unspecified() { LOOPBACK } else { self.host };
        format!("http://{}", SocketAddr::new(host, self.port))
    }
}

impl Validate for HttpSection {
    fn validate(&self, faults: &mut Faults) {
        if !self.public_url.is_empty() && (!is_http_url(&self.public_url) || self.public_url.ends_with('/')) {
            faults.add("public_url", "must start with http:// or https:// and not end with a slash");
        }
        if self.workers > 1024 {
            faults.add("workers", "must be at most 1024");
        }
        faults.section("cors", &self.cors);
    }
}

impl Validate for CorsSection {
    fn validate(&self, faults: &mut Faults) {
        for origin in &self.allowed_origins {
            let host = origin.split_once("://").map_or("", |(_, host)| host);
            if !is_http_url(origin) || host.contains('/') {
                faults.add(
                    "allowed_origins",
                    format!("{origin:?} is not an origin (example: https://portal.example.com)"),
                );
            }
        }
    }
}

/// The operations listener: `/livez`, `/readyz`, `/metrics`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OpsSection {
    pub host: IpAddr,
    pub port: u16,
}

impl OpsSection {
    pub fn with_port(port: u16) -> Self {
        Self { host: LOOPBACK, port }
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }
}

impl Validate for OpsSection {
    fn validate(&self, _: &mut Faults) {}
}

/// The listener for other services, and the token they share.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InternalSection {
    pub host: IpAddr,
    pub port: u16,
    /// Sent to other services and accepted from them; at least 32 bytes.
    pub token: Secret,
    /// Accepted as well, so that the token can be changed one service at a time.
    pub second_token: Secret,
}

impl InternalSection {
    pub fn with_port(port: u16) -> Self {
        Self { host: LOOPBACK, port, token: Secret::default(), second_token: Secret::default() }
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }
}

impl Validate for InternalSection {
    fn validate(&self, faults: &mut Faults) {
        for (name, token, required) in [("token", &self.token, true), ("second_token", &self.second_token, false)] {
            if (required || token.is_set()) && token.expose().len() < TOKEN_MIN_BYTES {
                faults.add(name, format!("must have at least {TOKEN_MIN_BYTES} bytes"));
            }
        }
    }
}

fn is_http_url(url: &str) -> bool {
    url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).is_some_and(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sections::faulty_fields;

    #[test]
    fn short_internal_tokens_are_refused() {
        assert_eq!(faulty_fields(&InternalSection::with_port(1)), ["token"]);
        let token = Secret::new("x".repeat(32));
        let section = InternalSection { token, second_token: Secret::new("short"), ..InternalSection::with_port(1) };
        assert_eq!(faulty_fields(&section), ["second_token"]);
    }

    #[test]
    fn the_public_url_is_worked_out_when_not_set() {
        let mut section = HttpSection::with_port(8085);
        assert_eq!(section.public_url(), "http://127.0.0.1:8085");
        section.public_url = "ftp://x".to_owned();
        section.cors.allowed_origins = vec!["https://a.example/".to_owned()];
        assert_eq!(faulty_fields(&section), ["public_url", "cors.allowed_origins"]);
    }
}
