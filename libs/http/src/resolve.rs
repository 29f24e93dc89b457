//! Names to checked addresses.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use crate::{error::ConnectError, guard::AddressGuard};

/// Resolves once and checks every address. One blocked address refuses the whole name: an honest name has none, and a
/// mixed answer is how a guard is tricked.
pub(crate) async fn resolve_checked(
    guard: &AddressGuard,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, ConnectError> {
    let addresses = match literal_address(host) {
        Some(address) => vec![SocketAddr::new(address, port)],
        None => tokio::net::lookup_host((host, port))
            .await
            .map_err(|source| ConnectError::Resolve { host: host.to_owned(), source })?
            .collect(),
    };
    for address in &addresses {
        guard.check(address.ip())?;
    }
    if addresses.is_empty() {
        let source = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        return Err(ConnectError::Resolve { host: host.to_owned(), source });
    }
    Ok(addresses)
}

/// The address that a URL's host is, if it is not a name. IPv6 hosts stand in brackets.
pub(crate) fn literal_address(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}
