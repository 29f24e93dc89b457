//! Who the client is, behind reverse proxies: the last hop that is not a trusted proxy of ours.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::HeaderMap;
use maas_types::Cidr;

/// The client's address; `None` only where the connection has none. `x-forwarded-for` is read only as far as each hop
/// was written by a proxy that is trusted.
pub fn client_address(peer: Option<SocketAddr>, headers: &HeaderMap, trusted: &[Cidr]) -> Option<IpAddr> {
    // A listener for both families shows IPv4 peers as mapped addresses.
    let peer = peer?.ip().to_canonical();
    if !is_trusted(peer, trusted) {
        return Some(peer);
    }
    let forwarded = headers.get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
    let hops: Vec<Option<IpAddr>> = forwarded.flat_map(|value| value.split(',')).map(hop_address).collect();
    Some(last_untrusted(peer, &hops, trusted))
}

/// The address of a hop; some proxies write its port, too.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// A hop that cannot be read ends the search: what stands before it may be the client's own invention.
fn last_untrusted(peer: IpAddr, hops: &[Option<IpAddr>], trusted: &[Cidr]) -> IpAddr {
    let mut address = peer;
    for hop in hops.iter().rev() {
        if !is_trusted(address, trusted) {
            break;
        }
        let Some(hop) = hop else { break };
        address = hop.to_canonical();
    }
    address
}

fn is_trusted(address: IpAddr, trusted: &[Cidr]) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn seen(peer: &str, forwarded: &[&'static str]) -> String {
        let trusted: Vec<Cidr> = vec!["10.0.0.1/32".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(HeaderName::from_static("x-forwarded-for"), HeaderValue::from_static(value));
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
        client_address(Some(peer), &headers, &trusted).unwrap().to_string()
    }

    #[test]
    fn only_trusted_proxies_may_say_who_the_client_is() {
        assert_eq!(seen("10.0.0.9", &["10.0.0.7"]), "10.0.0.9");
        assert_eq!(seen("10.0.0.1", &["10.0.0.6, 10.0.0.7"]), "10.0.0.7");
        assert_eq!(seen("10.0.0.1", &["10.0.0.6", "10.0.0.7:4711"]), "10.0.0.7");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(seen("::ffff:10.0.0.1", &["::ffff:10.0.0.7"]), "10.0.0.7");
    }

    #[test]
    fn what_stands_before_an_unreadable_hop_is_not_believed() {
        assert_eq!(seen("10.0.0.1", &["192.0.2.1, unknown"]), "10.0.0.1");
    }
}
