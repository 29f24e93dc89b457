//! The ranges that the rules speak of. To guard against one more address, add it to a list here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::BlockReason;

/// Metadata services outside the link-local ranges: Alibaba, Oracle, Azure.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(168, 63, 129, 16)];
/// Metadata services over IPv6: Google, Linode, Scaleway.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x42),
];
const METADATA_LINK_LOCAL: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

pub(super) fn never_right(address: IpAddr) -> Option<BlockReason> {
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
    if METADATA_V6.contains(&address) || is_amazon_instance_service(address) {
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

/// fd00:ec2::/32 holds everything that Amazon offers an instance: metadata, names, time, a pod's identity.
fn is_amazon_instance_service(address: Ipv6Addr) -> bool {
    address.segments()[..2] == [0xfd00, 0x0ec2]
}

/// Ranges for documentation, measurements, protocols and relays (RFC 6890 and its followers): no server of anybody's is
/// there, but something that answers may be.
pub(super) fn is_reserved(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => matches!(
            address.octets(),
            [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _]
        ),
        // Discard-only; protocol assignments, Teredo among them; documentation, twice; segment routing.
        IpAddr::V6(address) => matches!(
            address.segments(),
            [0x100, 0, 0, 0, ..]
                | [0x2001, 0..0x200, ..]
                | [0x2001, 0xdb8, ..]
                | [0x3fff, 0..0x1000, ..]
                | [0x5f00, ..]
        ),
    }
}

pub(super) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            // Carrier-grade NAT (100.64.0.0/10) is what many clusters number their pods from.
            address.is_private() || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(address) => address.is_unique_local() || address.segments()[0] & 0xffc0 == 0xfec0,
    }
}

/// The IPv4 address inside mapped, translated, compatible, NAT64, 6to4, Teredo and ISATAP addresses.
pub(super) fn embedded_v4(address: IpAddr) -> Option<Ipv4Addr> {
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
        // ISATAP, below any prefix.
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(join(high, low)),
        _ => None,
    }
}
