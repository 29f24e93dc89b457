//! Which addresses may be called. The catalogue's URLs come from administrators and discovery, so a name may point
//! anywhere: at a cloud's metadata service, at this machine, at a neighbour.
//!
//! Judged in this order: addresses that are never right; the deny list; the allow list; reserved, loopback and private
//! ranges. IPv6 addresses that embed an IPv4 address are judged by both.

mod ranges;

use std::net::IpAddr;

use maas_types::Cidr;
use serde::{Deserialize, Serialize};

use ranges::{embedded_v4, is_private, is_reserved, never_right};

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
    #[error("it is in a reserved range")]
    Reserved,
    #[error("it is this machine")]
    Loopback,
    #[error("it is in a private network")]
    Private,
    #[error("it is in the deny list")]
    Denied,
    #[error("it is not in the allow list")]
    NotAllowed,
}

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
        } else if forms().any(is_reserved) {
            BlockReason::Reserved
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
            ("fd00:ec2::23", BlockReason::Metadata),
            ("fd00:a9fe:a9fe::1", BlockReason::Metadata),
            ("fd00:42::42", BlockReason::Metadata),
            // Mapped, translated, compatible, NAT64, 6to4, Teredo, ISATAP.
            ("::ffff:169.254.169.254", BlockReason::Metadata),
            ("::ffff:0:169.254.169.254", BlockReason::Metadata),
            ("::169.254.169.254", BlockReason::Metadata),
            ("64:ff9b::169.254.169.254", BlockReason::Metadata),
            ("2002:a9fe:a9fe::1", BlockReason::Metadata),
            ("2001:0:4136:e378:8000:63bf:5601:5601", BlockReason::Metadata),
            ("2606:4700::5efe:169.254.169.254", BlockReason::Metadata),
            ("2606:4700::200:5efe:169.254.169.254", BlockReason::Metadata),
            ("::ffff:0.0.0.0", BlockReason::NotUnicast),
        ] {
            assert_eq!(reason(&guard, address), Some(expected), "{address}");
        }
    }

    #[test]
    fn reserved_ranges_are_refused_unless_listed() {
        let listed = AddressGuard { allow: ranges(&["198.18.0.0/15", "::/0"]), ..AddressGuard::default() };
        for address in ["198.18.0.1", "198.19.255.255", "2001:2::1", "2001:db8::1", "3fff:fff::1", "100::1", "5f00::1"]
        {
            assert_eq!(reason(&AddressGuard::default(), address), Some(BlockReason::Reserved), "{address}");
            assert_eq!(reason(&listed, address), None, "{address}");
        }
        for address in ["192.0.0.9", "192.0.2.1", "192.88.99.1", "198.51.100.1", "203.0.113.1", "::ffff:192.0.2.1"] {
            assert_eq!(reason(&AddressGuard::default(), address), Some(BlockReason::Reserved), "{address}");
        }
        for address in
            ["192.0.1.1", "198.20.0.1", "198.17.0.1", "2001:200::1", "2001:4860::1", "3fff:1000::1", "101::1"]
        {
            assert_eq!(reason(&AddressGuard::default(), address), None, "{address}");
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
