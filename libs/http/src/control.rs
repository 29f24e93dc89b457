//! The control plane's client: reqwest with the same guard and the same authorities.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};

use crate::{
    error::ClientError,
    guard::{AddressGuard, BlockedAddress},
    resolve::{literal_address, resolve_checked},
    tls::{client_config, load_roots},
};

#[derive(Debug, Clone)]
pub struct ControlOptions {
    pub guard: AddressGuard,
    /// Certificate authorities besides the machine's, PEM.
    pub ca_files: Vec<PathBuf>,
    pub connect_timeout: Duration,
    /// For the whole call, the body included.
    pub timeout: Duration,
    pub user_agent: String,
}

impl Default for ControlOptions {
    fn default() -> Self {
        Self {
            guard: AddressGuard::default(),
            ca_files: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            user_agent: format!("maas/{}", env!("CARGO_PKG_VERSION")),
        }
    }
}

/// Builds the client: no redirects, no proxy from the environment. It checks the addresses of names; a URL whose host
/// is an address never reaches the resolver, so call [`check_url`] before each call to a URL that was not built in.
pub fn control_client(options: &ControlOptions) -> Result<reqwest::Client, ClientError> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(client_config(load_roots(&options.ca_files)?)?)
        .dns_resolver(GuardedResolver(options.guard.clone()))
        .redirect(redirect::Policy::none())
        // A proxy would resolve names itself and so pass the guard by.
        .no_proxy()
        .connect_timeout(options.connect_timeout)
        .timeout(options.timeout)
        .user_agent(&options.user_agent)
        .build()?;
    Ok(client)
}

/// Refuses a URL whose host is a blocked address. Names are checked when they are resolved.
pub fn check_url(guard: &AddressGuard, url: &Url) -> Result<(), BlockedAddress> {
    match url.host_str().and_then(literal_address) {
        Some(address) => guard.check(address),
        None => Ok(()),
    }
}

struct GuardedResolver(AddressGuard);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            // Port 0 stands for the scheme's own or the URL's; the client puts it in.
            let addresses: Vec<SocketAddr> = resolve_checked(&guard, name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
