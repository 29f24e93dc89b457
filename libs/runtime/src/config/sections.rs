//! Sections that several services share. Each service sets its own default port with `with_port`.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use maas_types::Cidr;
use serde::{Deserialize, Serialize};

use super::{Faults, Secret, Validate};
use crate::telemetry;

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

/// The service's own database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DatabaseSection {
    /// `postgres://user:password@host/database` or `sqlite://path`. A secret, since it may hold a password.
    pub url: Secret,
    pub max_connections: u32,
    /// Allows Postgres on another machine without TLS.
    pub allow_plaintext: bool,
}

impl Default for DatabaseSection {
    fn default() -> Self {
        Self { url: Secret::default(), max_connections: 10, allow_plaintext: false }
    }
}

impl Validate for DatabaseSection {
    fn validate(&self, faults: &mut Faults) {
        if !(1..=1000).contains(&self.max_connections) {
            faults.add("max_connections", "must be 1 to 1000");
        }
        let url = self.url.expose();
        let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
        if !is_postgres && !url.starts_with("sqlite:") {
            faults.add("url", "must be a postgres:// or sqlite: URL");
        }
        let has_tls =
            ["require", "verify-ca", "verify-full"].iter().any(|mode| url.contains(&format!("sslmode={mode}")));
        if is_postgres && !has_tls && !self.allow_plaintext && !is_local_host(host_of(url)) {
            faults.add("url", "the database is on another machine: add sslmode=verify-full, or set allow_plaintext");
        }
    }
}

/// NATS with JetStream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NatsSection {
    /// `nats://host:port` or `tls://host:port`, several separated by commas; users and passwords go in their own fields.
    pub url: String,
    pub user: String,
    pub password: Secret,
    /// A credentials file made by `nsc`, instead of user and password.
    pub credentials_file: Option<PathBuf>,
    /// A PEM file with the authority that signed the server's certificate.
    pub ca_file: Option<PathBuf>,
    /// Allows a server on another machine without TLS.
    pub allow_plaintext: bool,
}

impl Default for NatsSection {
    fn default() -> Self {
        Self {
            url: "nats://127.0.0.1:4222".to_owned(),
            user: String::new(),
            password: Secret::default(),
            credentials_file: None,
            ca_file: None,
            allow_plaintext: false,
        }
    }
}

impl Validate for NatsSection {
    fn validate(&self, faults: &mut Faults) {
        for url in self.url.split(',').map(str::trim) {
            if !url.starts_with("nats://") && !url.starts_with("tls://") {
                faults.add("url", "must be a nats:// or tls:// URL");
            } else if url.contains('@') {
                faults.add("url", "must not hold a user or password: use nats.user and nats.password");
            } else if url.starts_with("nats://") && !self.allow_plaintext && !is_local_host(host_of(url)) {
                faults.add("url", "the server is on another machine: use tls://, or set allow_plaintext");
            }
        }
        if self.user.is_empty() == self.password.is_set() {
            faults.add("password", "user and password are set together");
        }
        if !self.user.is_empty() && self.credentials_file.is_some() {
            faults.add("credentials_file", "cannot be combined with user and password");
        }
    }
}

/// Logs. The export of traces joins this section.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TelemetrySection {
    pub log: LogSection,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogSection {
    pub format: LogFormat,
    /// `info`, or levels by target: `info,maas_proxy=debug,sqlx=info`.
    pub level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Pretty,
    Json,
}

impl Default for LogSection {
    fn default() -> Self {
        Self { format: LogFormat::Json, level: "info".to_owned() }
    }
}

impl Validate for TelemetrySection {
    fn validate(&self, faults: &mut Faults) {
        faults.section("log", &self.log);
    }
}

impl Validate for LogSection {
    fn validate(&self, faults: &mut Faults) {
        if telemetry::parse_level(&self.level).is_err() {
            faults.add("level", "must be a level (error, warn, info, debug, trace) or a list of target=level");
        }
    }
}

fn is_http_url(url: &str) -> bool {
    url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).is_some_and(|rest| !rest.is_empty())
}

/// The host of a URL without user, port and brackets. Empty for a socket folder, which is local.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn is_local_host(host: &str) -> bool {
    host.is_empty() || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(section: &impl Validate) -> Vec<String> {
        let mut faults = Faults::default();
        section.validate(&mut faults);
        faults.into_found().into_iter().map(|(path, _)| path).collect()
    }

    #[test]
    fn a_remote_database_needs_tls_or_an_explicit_setting() {
        let mut section = DatabaseSection { url: Secret::new("postgres://u:p@db.example/maas"), ..Default::default() };
        assert_eq!(faults_of(&section), ["url"]);
        section.allow_plaintext = true;
        assert!(faults_of(&section).is_empty());
        for url in [
            "postgres://u:p@db.example/maas?sslmode=verify-full",
            "postgres://u:p@127.0.0.1:5432/maas",
            "postgres://u:p@[::1]:5432/maas",
            "postgres:///maas?host=/run/postgresql",
            "sqlite:///tmp/maas.db",
        ] {
            assert!(faults_of(&DatabaseSection { url: Secret::new(url), ..Default::default() }).is_empty(), "{url}");
        }
        assert_eq!(faults_of(&DatabaseSection::default()), ["url"]);
    }

    #[test]
    fn a_remote_bus_needs_tls_and_its_url_holds_no_password() {
        let with_url = |url: &str| NatsSection { url: url.to_owned(), ..Default::default() };
        assert!(faults_of(&NatsSection::default()).is_empty());
        assert!(faults_of(&with_url("tls://nats.example:4222")).is_empty());
        assert_eq!(faults_of(&with_url("nats://127.0.0.1,nats://nats.example")), ["url"]);
        assert_eq!(faults_of(&with_url("nats://u:p@127.0.0.1")), ["url"]);
    }

    #[test]
    fn short_internal_tokens_are_refused() {
        assert_eq!(faults_of(&InternalSection::with_port(1)), ["token"]);
        let token = Secret::new("x".repeat(32));
        let section = InternalSection { token, second_token: Secret::new("short"), ..InternalSection::with_port(1) };
        assert_eq!(faults_of(&section), ["second_token"]);
    }

    #[test]
    fn the_public_url_is_worked_out_when_not_set() {
        let mut section = HttpSection::with_port(8085);
        assert_eq!(section.public_url(), "http://127.0.0.1:8085");
        section.public_url = "ftp://x".to_owned();
        section.cors.allowed_origins = vec!["https://a.example/".to_owned()];
        assert_eq!(faults_of(&section), ["public_url", "cors.allowed_origins"]);
    }
}
