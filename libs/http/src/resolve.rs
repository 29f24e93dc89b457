//! Names to checked addresses.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use crate::{
    error::ConnectError,
    guard::{AddressGuard, BlockedAddress},
};

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
    if addresses.is_empty() {
        let source = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        return Err(ConnectError::Resolve { host: host.to_owned(), source });
    }
    check_all(guard, &addresses)?;
    Ok(addresses)
}

fn check_all(guard: &AddressGuard, addresses: &[SocketAddr]) -> Result<(), BlockedAddress> {
    addresses.iter().try_for_each(|address| guard.check(address.ip()))
}

/// The address that a URL's host is, if it is not a name. IPv6 hosts stand in brackets.
pub(crate) fn literal_address(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::BlockReason;

    fn judged(addresses: &[&str]) -> Option<BlockReason> {
        let addresses: Vec<_> = addresses.iter().map(|address| format!("{address}:80").parse().unwrap()).collect();
        check_all(&AddressGuard::default(), &addresses).err().map(|blocked| blocked.reason)
    }

    // What a name of somebody else's answers is up to them, as with the services that turn any address into a name.
    #[test]
    fn one_bad_address_refuses_a_name_wherever_it_stands() {
        assert_eq!(judged(&["93.184.216.34", "[2606:2800:220::1]"]), None);
        assert_eq!(judged(&["93.184.216.34", "169.254.169.254"]), Some(BlockReason::Metadata));
        assert_eq!(judged(&["127.0.0.1", "93.184.216.34"]), Some(BlockReason::Loopback));
        assert_eq!(judged(&["93.184.216.34", "[::ffff:169.254.170.2]", "10.0.0.1"]), Some(BlockReason::LinkLocal));
    }

    #[test]
    fn only_what_is_an_address_is_taken_for_one() {
        for text in ["127.0.0.1", "[::1]", "::1"] {
            assert!(literal_address(text).is_some(), "{text}");
        }
        // The resolver decides about these, and what it says is checked.
        for text in ["localhost", "2130706433", "0x7f.1", "127.1", "0177.0.0.1", "127.0.0.1.", "[fe80::1%25eth0]", ""] {
            assert!(literal_address(text).is_none(), "{text}");
        }
    }
}
