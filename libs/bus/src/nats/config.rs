//! How to reach NATS, and the connection itself.

use std::{path::PathBuf, time::Duration};

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;

use super::SERVER_TIMEOUT;
use crate::BusError;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LONGEST_RECONNECT_PAUSE: Duration = Duration::from_secs(2);
/// Two unanswered pings end a connection that only looks alive.
const PING_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub struct NatsConfig {
    /// `nats://host:port` or `tls://host:port`; several for a cluster. Never with a user or token inside: see `auth`.
    pub urls: Vec<String>,
    pub auth: NatsAuth,
    /// Shown in the server's list of connections.
    pub client_name: String,
    /// Refuses a server that does not offer TLS. Implied by a `tls://` URL and by `ca_file`.
    pub tls_required: bool,
    /// PEM certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Allows connections without TLS to hosts other than this one.
    pub allow_plaintext: bool,
    /// Copies of each stream in a cluster.
    pub replicas: usize,
    /// How long usage messages are kept.
    pub usage_max_age: Duration,
    /// How large the usage stream may become before it refuses new messages; see the module about the last bytes.
    pub usage_max_bytes: i64,
    /// A consumer that has messages and delivers none of them for so long is replaced.
    pub stuck_after: Duration,
    /// A server that is away at the start is tried for ever, as after a loss, instead of being told as an error.
    pub connect_later: bool,
}

#[derive(Debug, Clone, Default)]
pub enum NatsAuth {
    #[default]
    None,
    Password {
        user: String,
        password: SecretString,
    },
    Token(SecretString),
    /// The contents of a `.creds` file.
    Credentials(SecretString),
}

impl NatsConfig {
    /// One server with the defaults.
    pub fn new(url: impl Into<String>, client_name: impl Into<String>) -> Self {
        Self {
            urls: vec![url.into()],
            auth: NatsAuth::None,
            client_name: client_name.into(),
            tls_required: false,
            ca_file: None,
            allow_plaintext: false,
            replicas: 1,
            usage_max_age: 7 * DAY,
            usage_max_bytes: 4 * 1024 * 1024 * 1024,
            stuck_after: Duration::from_secs(30),
            connect_later: false,
        }
    }

    /// The addresses, once it is certain that nothing is sent in the clear to another host by accident.
    fn addresses(&self) -> Result<Vec<ServerAddr>, BusError> {
        if self.urls.is_empty() {
            return Err(BusError::Refused("no NATS URL is configured".to_owned()));
        }
        let addresses = self.urls.iter().map(|url| parse(url)).collect::<Result<Vec<_>, _>>()?;
        let remote = addresses.iter().find(|address| !is_loopback(address.host()));
        match remote {
            Some(remote) if !self.allow_plaintext && !self.requires_tls(&addresses) => Err(BusError::Refused(format!(
                "a connection to `{}` without TLS is not allowed; use tls:// or allow plaintext",
                remote.host()
            ))),
            _ => Ok(addresses),
        }
    }

    fn requires_tls(&self, addresses: &[ServerAddr]) -> bool {
        self.tls_required || self.ca_file.is_some() || addresses.iter().any(ServerAddr::tls_required)
    }

    fn options(&self, addresses: &[ServerAddr]) -> Result<ConnectOptions, BusError> {
        let requires_tls = self.requires_tls(addresses);
        let mut options = ConnectOptions::new()
            .name(&self.client_name)
            .require_tls(requires_tls)
            .connection_timeout(SERVER_TIMEOUT)
            .ping_interval(PING_INTERVAL)
            .max_reconnects(None)
            .reconnect_delay_callback(reconnect_pause);
        if self.connect_later {
            options = options.retry_on_initial_connect();
        }
        if !requires_tls && !self.allow_plaintext {
            // A server on this host could name others elsewhere.
            options = options.ignore_discovered_servers();
        }
        if let Some(file) = &self.ca_file {
            options = options.add_root_certificates(file.clone());
        }
        Ok(match &self.auth {
            NatsAuth::None => options,
            NatsAuth::Password { user, password } => {
                options.user_and_password(user.clone(), password.expose_secret().to_owned())
            }
            NatsAuth::Token(token) => options.token(token.expose_secret().to_owned()),
            NatsAuth::Credentials(credentials) => options
                .credentials(credentials.expose_secret())
                .map_err(|_| BusError::Refused("the NATS credentials cannot be read".to_owned()))?,
        })
    }
}

/// Connects once, or whenever a server is there with `connect_later`; from then on the client reconnects for ever. The receiver changes with each loss.
pub(super) async fn connect(config: &NatsConfig) -> Result<(Client, watch::Receiver<u64>), BusError> {
    let addresses = config.addresses()?;
    let (losses, lost) = watch::channel(0);
    let options = config.options(&addresses)?.event_callback(move |event| {
        note(&losses, &event);
        std::future::ready(())
    });
    let failure = |problem: String| BusError::Unavailable(format!("{}: {problem}", config.urls.join(", ")));
    let total = SERVER_TIMEOUT * u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    match tokio::time::timeout(total, options.connect(addresses)).await {
        Ok(Ok(client)) => Ok((client, lost)),
        Ok(Err(error)) => Err(match error.kind() {
            ConnectErrorKind::ServerParse
            | ConnectErrorKind::Authentication
            | ConnectErrorKind::AuthorizationViolation
            | ConnectErrorKind::Tls => BusError::Refused(format!("{}: {error}", config.urls.join(", "))),
            ConnectErrorKind::Dns
            | ConnectErrorKind::TimedOut
            | ConnectErrorKind::Io
            | ConnectErrorKind::MaxReconnects => failure(error.to_string()),
        }),
        Err(_) => Err(failure("no connection in time".to_owned())),
    }
}

fn note(losses: &watch::Sender<u64>, event: &Event) {
    match event {
        Event::Connected => tracing::info!("connected to NATS"),
        Event::Disconnected => {
            tracing::warn!("lost the connection to NATS, reconnecting");
            losses.send_modify(|losses| *losses += 1);
        }
        // Something that a subscription should have received was dropped: a watch must look again.
        Event::SlowConsumer(_) => losses.send_modify(|losses| *losses += 1),
        Event::ServerError(error) => tracing::warn!(error = %error, "NATS reported an error"),
        Event::ClientError(error) => tracing::debug!(error = %error, "NATS client error"),
        Event::LameDuckMode | Event::Draining | Event::Closed => {}
    }
}

fn parse(url: &str) -> Result<ServerAddr, BusError> {
    // The text itself stays out of the messages: it may hold a password.
    let address: ServerAddr = url.parse().map_err(|_| BusError::Refused("a NATS URL cannot be read".to_owned()))?;
    if address.has_user_pass() {
        let problem = format!("the NATS URL of `{}` holds credentials; configure them apart", address.host());
        return Err(BusError::Refused(problem));
    }
    match address.scheme() {
        "nats" | "tls" => Ok(address),
        other => Err(BusError::Refused(format!("NATS URLs begin with nats:// or tls://, not {other}://"))),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn reconnect_pause(attempt: usize) -> Duration {
    let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
    Duration::from_millis(50).saturating_mul(attempt).min(LONGEST_RECONNECT_PAUSE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn refusal(config: &NatsConfig) -> String {
        match config.addresses() {
            Err(BusError::Refused(problem)) => problem,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    #[test]
    fn plaintext_to_another_host_is_refused() {
        assert!(refusal(&NatsConfig::new("nats://nats.example:4222", "test")).contains("nats.example"));
    }

    #[test]
    fn plaintext_to_this_host_is_allowed() {
        for url in ["nats://127.0.0.1:4222", "nats://localhost", "nats://[::1]:4222"] {
            assert!(NatsConfig::new(url, "test").addresses().is_ok(), "{url}");
        }
    }

    #[test]
    fn tls_to_another_host_is_allowed() {
        assert!(NatsConfig::new("tls://nats.example:4222", "test").addresses().is_ok());
        let required = NatsConfig { tls_required: true, ..NatsConfig::new("nats://nats.example", "test") };
        assert!(required.addresses().is_ok());
    }

    #[test]
    fn plaintext_to_another_host_can_be_allowed_explicitly() {
        let config = NatsConfig { allow_plaintext: true, ..NatsConfig::new("nats://nats.example", "test") };
        assert!(config.addresses().is_ok());
    }

    #[test]
    fn password_in_the_url_is_refused_and_not_repeated() {
        let problem = refusal(&NatsConfig::new("nats://me:hunter2@127.0.0.1", "test"));
        assert!(!problem.contains("hunter2"));
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let auth = NatsAuth::Token(SecretString::from("hunter2"));
        assert!(
            !format!("{:?}", NatsConfig { auth, ..NatsConfig::new("nats://localhost", "test") }).contains("hunter2")
        );
    }
}
