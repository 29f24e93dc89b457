//! What a service stands on: its database and the bus.

use std::{net::IpAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::{Faults, Secret, Validate};

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
    use crate::config::sections::faulty_fields;

    #[test]
    fn a_remote_database_needs_tls_or_an_explicit_setting() {
        let mut section = DatabaseSection { url: Secret::new("postgres://u:p@db.example/maas"), ..Default::default() };
        assert_eq!(faulty_fields(&section), ["url"]);
        section.allow_plaintext = true;
        assert!(faulty_fields(&section).is_empty());
        for url in [
            "postgres://u:p@db.example/maas?sslmode=verify-full",
            "postgres://u:p@127.0.0.1:5432/maas",
            "postgres://u:p@[::1]:5432/maas",
            "postgres:///maas?host=/run/postgresql",
            "sqlite:///tmp/maas.db",
        ] {
            assert!(
                faulty_fields(&DatabaseSection { url: Secret::new(url), ..Default::default() }).is_empty(),
                "{url}"
            );
        }
        assert_eq!(faulty_fields(&DatabaseSection::default()), ["url"]);
    }

    #[test]
    fn a_remote_bus_needs_tls_and_its_url_holds_no_password() {
        let with_url = |url: &str| NatsSection { url: url.to_owned(), ..Default::default() };
        assert!(faulty_fields(&NatsSection::default()).is_empty());
        assert!(faulty_fields(&with_url("tls://nats.example:4222")).is_empty());
        assert_eq!(faulty_fields(&with_url("nats://127.0.0.1,nats://nats.example")), ["url"]);
        assert_eq!(faulty_fields(&with_url("nats://u:p@127.0.0.1")), ["url"]);
    }
}
