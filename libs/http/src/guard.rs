//! Which addresses may be called. The catalogue's URLs come from administrators and discovery, so a name may point
//! anywhere: at a cloud's metadata service, at this machine, at a neighbour.
//!
//! Judged in this order: addresses that are never right; the deny list; the allow list; loopback and private ranges.
//! IPv6 addresses that embed an IPv4 address are judged by both.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use maas_types::Cidr;
use serde::{Deserialize, Serialize};

/// The rules; also a section of settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressGuard {
    /// If not empty, only these are called; being listed also allows a private or loopback address.
    pub allow: Vec<Cidr>,
    /// Never called, even if also allowed.
    pub deny: Vec<Cidr>,
    /// Private networks. On by default: model servers live there.
    pub allow_private: bool,
    /// This machine. Off by default; standalone and tests switch it on.
    pub allow_loopback: bool,
}

/// An address that must not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address {address} is blocked: {reason}")]
pub struct BlockedAddress {
    pub address: IpAddr,
    pub reason: BlockReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockReason {
    #[error("it is a cloud metadata service")]
    Metadata,
    #[error("it is link-local")]
    LinkLocal,
    #[error("it is not the address of one machine")]
    NotUnicast,
    #[error("it is this machine")]
    Loopback,
    #[error("it is in a private network")]
    Private,
    #[error("it is in the deny list")]
    Denied,
    #[error("it is not in the allow list")]
    NotAllowed,
}

/// Metadata services outside the link-local ranges: Alibaba, Oracle, Azure.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(168, 63, 129, 16)];
/// Metadata services over IPv6: Amazon, Google.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254)];
const METADATA_LINK_LOCAL: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

impl Default for AddressGuard {
    fn default() -> Self {
        Self { allow: Vec::new(), deny: Vec::new(), allow_private: true, allow_loopback: false }
    }
}

impl AddressGuard {
    /// The default rules with this machine allowed.
    pub fn with_loopback() -> Self {
        Self { allow_loopback: true, ..Self::default() }
    }

    pub fn check(&self, address: IpAddr) -> Result<(), BlockedAddress> {
        let forms = [Some(address), embedded_v4(address).map(IpAddr::V4)];
        let forms = || forms.into_iter().flatten();
        let listed = |list: &[Cidr]| list.iter().any(|range| forms().any(|form| range.contains(form)));
        let reason = if let Some(reason) = forms().find_map(never_right) {
            reason
        } else if listed(&self.deny) {
            BlockReason::Denied
        } else if listed(&self.allow) {
            return Ok(());
        } else if !self.allow.is_empty() {
            BlockReason::NotAllowed
        } else if !self.allow_loopback && forms().any(|form| form.is_loopback()) {
            BlockReason::Loopback
        } else if !self.allow_private && forms().any(is_private) {
            BlockReason::Private
        } else {
            return Ok(());
        };
        Err(BlockedAddress { address, reason })
    }
}

fn never_right(address: IpAddr) -> Option<BlockReason> {
    match address {
        IpAddr::V4(address) => never_right_v4(address),
        IpAddr::V6(address) => never_right_v6(address),
    }
}

fn never_right_v4(address: Ipv4Addr) -> Option<BlockReason> {
    let first_octet = address.octets()[0];
    if address == METADATA_LINK_LOCAL || METADATA_V4.contains(&address) {
        Some(BlockReason::Metadata)
    } else if address.is_link_local() {
        Some(BlockReason::LinkLocal)
    } else if first_octet == 0 || first_octet >= 224 {
        // "This network", multicast, reserved, broadcast.
        Some(BlockReason::NotUnicast)
    } else {
        None
    }
}

fn never_right_v6(address: Ipv6Addr) -> Option<BlockReason> {
    if METADATA_V6.contains(&address) {
        Some(BlockReason::Metadata)
    } else if address.is_unicast_link_local() {
        Some(BlockReason::LinkLocal)
    } else if address.is_unspecified() || address.is_multicast() || is_local_nat64(address) {
        Some(BlockReason::NotUnicast)
    } else {
        None
    }
}

/// 64:ff9b:1::/48 may hold an IPv4 address at several places, so it cannot be judged and is refused.
fn is_local_nat64(address: Ipv6Addr) -> bool {
    address.segments()[..3] == [0x64, 0xff9b, 1]
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            // Carrier-grade NAT (100.64.0.0/10) is what many clusters number their pods from.
            address.is_private() || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(address) => address.is_unique_local() || address.segments()[0] & 0xffc0 == 0xfec0,
    }
}

/// The IPv4 address inside mapped, translated, compatible, NAT64, 6to4 and Teredo addresses.
fn embedded_v4(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    if address.is_unspecified() || address.is_loopback() {
        return None;
    }
    let segments = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match segments {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(join(high, low)),
        // Teredo stores the client's address inverted.
        [0x2001, 0, _, _, _, _, high, low] => Some(join(!high, !low)),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn reason(guard: &AddressGuard, address: &str) -> Option<BlockReason> {
        guard.check(address.parse().unwrap()).err().map(|blocked| blocked.reason)
    }

    fn ranges(texts: &[&str]) -> Vec<Cidr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn addresses_that_are_never_right_stay_blocked_whatever_is_allowed() {
        let everything = ranges(&["0.0.0.0/0", "::/0"]);
        let guard = AddressGuard { allow: everything, ..AddressGuard::with_loopback() };
        for (address, expected) in [
            ("169.254.169.254", BlockReason::Metadata),
            ("169.254.1.1", BlockReason::LinkLocal),
            ("100.100.100.200", BlockReason::Metadata),
            ("192.0.0.192", BlockReason::Metadata),
            ("168.63.129.16", BlockReason::Metadata),
            ("fd00:ec2::254", BlockReason::Metadata),
            ("fd20:ce::254", BlockReason::Metadata),
            ("fe80::1", BlockReason::LinkLocal),
            ("febf::1", BlockReason::LinkLocal),
            ("0.0.0.0", BlockReason::NotUnicast),
            ("0.1.2.3", BlockReason::NotUnicast),
            ("224.0.0.1", BlockReason::NotUnicast),
            ("240.0.0.1", BlockReason::NotUnicast),
            ("255.255.255.255", BlockReason::NotUnicast),
            ("::", BlockReason::NotUnicast),
            ("ff02::1", BlockReason::NotUnicast),
            ("64:ff9b:1::1", BlockReason::NotUnicast),
            // Mapped, translated, compatible, NAT64, 6to4, Teredo.
            ("::ffff:169.254.169.254", BlockReason::Metadata),
            ("::ffff:0:169.254.169.254", BlockReason::Metadata),
            ("::169.254.169.254", BlockReason::Metadata),
            ("64:ff9b::169.254.169.254", BlockReason::Metadata),
            ("2002:a9fe:a9fe::1", BlockReason::Metadata),
            ("2001:0:4136:e378:8000:63bf:5601:5601", BlockReason::Metadata),
            ("::ffff:0.0.0.0", BlockReason::NotUnicast),
        ] {
            assert_eq!(reason(&guard, address), Some(expected), "{address}");
        }
    }

    #[test]
    fn this_machine_is_refused_unless_allowed() {
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1"] {
            assert_eq!(reason(&AddressGuard::default(), address), Some(BlockReason::Loopback), "{address}");
            assert_eq!(reason(&AddressGuard::with_loopback(), address), None, "{address}");
        }
    }

    #[test]
    fn private_networks_are_allowed_unless_switched_off() {
        let strict = AddressGuard { allow_private: false, ..AddressGuard::default() };
        for address in
            ["10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fc00::1", "fd12::1", "fec0::1", "::ffff:10.0.0.1"]
        {
            assert_eq!(reason(&AddressGuard::default(), address), None, "{address}");
            assert_eq!(reason(&strict, address), Some(BlockReason::Private), "{address}");
        }
        for address in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2002:808:808::1"] {
            assert_eq!(reason(&strict, address), None, "{address}");
        }
    }

    #[test]
    fn the_deny_list_wins_over_the_allow_list() {
        let guard = AddressGuard {
            allow: ranges(&["10.0.0.0/8", "127.0.0.1"]),
            deny: ranges(&["10.6.0.0/16"]),
            ..AddressGuard::default()
        };
        assert_eq!(reason(&guard, "10.5.0.1"), None);
        assert_eq!(reason(&guard, "127.0.0.1"), None);
        assert_eq!(reason(&guard, "10.6.0.1"), Some(BlockReason::Denied));
        assert_eq!(reason(&guard, "::ffff:10.6.0.1"), Some(BlockReason::Denied));
        assert_eq!(reason(&guard, "8.8.8.8"), Some(BlockReason::NotAllowed));
    }
}
