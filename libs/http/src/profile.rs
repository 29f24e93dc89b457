//! Connections that differ from upstream to upstream: an authority of its own, another time to connect.

use std::{
    cell::RefCell,
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustls::{ClientConfig, RootCertStore};

use crate::{
    error::{ClientError, UpstreamError},
    tls::{add_file, client_config},
    upstream::{UpstreamClient, UpstreamClientFactory},
};

/// A bad file is read again after this time, so that mending it helps and each request does not read it.
const BAD_FILE_REMEMBERED: Duration = Duration::from_secs(10);

/// What an upstream asks of its connections; the default is what the process was told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ConnectProfile {
    /// Certificate authorities besides all others, PEM.
    pub ca_file: Option<PathBuf>,
    /// For name resolution, connection and TLS handshake together.
    pub connect_timeout: Option<Duration>,
}

impl ConnectProfile {
    fn is_default(&self) -> bool {
        self.ca_file.is_none() && self.connect_timeout.is_none()
    }
}

/// The clients of one worker thread: one per profile, made when it is first needed and then kept.
pub struct UpstreamClients {
    factory: UpstreamClientFactory,
    default: UpstreamClient,
    by_profile: RefCell<HashMap<ConnectProfile, UpstreamClient>>,
}

impl UpstreamClients {
    /// To be called on the thread that will use them.
    pub fn new(factory: UpstreamClientFactory) -> Self {
        Self { default: factory.client(), factory, by_profile: RefCell::default() }
    }

    /// The client for upstreams with this profile; upstreams of one profile share their connections' pool. A bad CA
    /// file is [`UpstreamError::Settings`]. The first use of a CA file reads it, on this thread.
    pub fn get(&self, profile: &ConnectProfile) -> Result<UpstreamClient, UpstreamError> {
        if profile.is_default() {
            return Ok(self.default.clone());
        }
        if let Some(client) = self.by_profile.borrow().get(profile) {
            return Ok(client.clone());
        }
        let client = self.factory.client_for(profile)?;
        self.by_profile.borrow_mut().insert(profile.clone(), client.clone());
        Ok(client)
    }
}

/// The TLS settings of all profiles, read once for all threads.
pub(crate) struct TlsProfiles {
    roots: RootCertStore,
    default: Arc<ClientConfig>,
    by_ca_file: Mutex<HashMap<PathBuf, Known>>,
}

enum Known {
    Good(Arc<ClientConfig>),
    Bad { error: Arc<ClientError>, since: Instant },
}

impl TlsProfiles {
    pub(crate) fn new(roots: RootCertStore) -> Result<Self, ClientError> {
        let default = http1_config(roots.clone())?;
        Ok(Self { roots, default, by_ca_file: Mutex::default() })
    }

    pub(crate) fn default_config(&self) -> Arc<ClientConfig> {
        self.default.clone()
    }

    /// With the authorities of `ca_file` too. Reads the file if no thread did before.
    pub(crate) fn get(&self, ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, Arc<ClientError>> {
        let Some(path) = ca_file else { return Ok(self.default_config()) };
        let mut known = self.by_ca_file.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(path) {
            Some(Known::Good(config)) => return Ok(config.clone()),
            Some(Known::Bad { error, since }) if since.elapsed() < BAD_FILE_REMEMBERED => return Err(error.clone()),
            _ => {}
        }
        let read = self.read(path).map_err(Arc::new);
        let entry = match &read {
            Ok(config) => Known::Good(config.clone()),
            Err(error) => Known::Bad { error: error.clone(), since: Instant::now() },
        };
        known.insert(path.to_owned(), entry);
        read
    }

    fn read(&self, path: &Path) -> Result<Arc<ClientConfig>, ClientError> {
        let mut roots = self.roots.clone();
        add_file(&mut roots, path)?;
        http1_config(roots)
    }
}

fn http1_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, ClientError> {
    let mut config = client_config(roots)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
