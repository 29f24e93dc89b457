//! Where a key may be used from, and for what.

use std::{collections::BTreeSet, net::IpAddr};

use maas_types::{Cidr, Operation, input::InputFault};

const MAX_NETWORKS: usize = 50;

/// The networks of a list; `None` with at least one fault when something is wrong with it.
pub fn parse_networks(texts: &[String], faults: &mut Vec<InputFault>) -> Option<Vec<Cidr>> {
    check_length("/allowed_cidrs", texts, "leave the field out for any address", faults)?;
    if texts.len() > MAX_NETWORKS {
        faults.push(InputFault::new("/allowed_cidrs", "too_many", format!("at most {MAX_NETWORKS} networks")));
        return None;
    }
    let parse = |(index, text): (usize, &String)| {
        let parsed = parse_network(text);
        if parsed.is_none() {
            let detail = "write a network such as 10.0.0.0/8, fd00::/8, or one address";
            faults.push(InputFault::new(format!("/allowed_cidrs/{index}"), "invalid_network", detail));
        }
        parsed
    };
    // Every entry is looked at, so that all faults are told.
    let parsed: Vec<Option<Cidr>> = texts.iter().enumerate().map(parse).collect();
    parsed.into_iter().collect()
}

/// The operations of a list; `None` with at least one fault when something is wrong with it.
pub fn parse_operations(texts: &[String], faults: &mut Vec<InputFault>) -> Option<BTreeSet<Operation>> {
    check_length("/allowed_operations", texts, "leave the field out for all operations", faults)?;
    let parse = |(index, text): (usize, &String)| {
        let parsed = Operation::parse(text);
        if parsed.is_none() {
            let pointer = format!("/allowed_operations/{index}");
            faults.push(InputFault::new(pointer, "unknown_operation", format!("is one of {}", known_operations())));
        }
        parsed
    };
    let parsed: Vec<Option<Operation>> = texts.iter().take(MAX_OPERATIONS).enumerate().map(parse).collect();
    if texts.len() > MAX_OPERATIONS {
        let detail = format!("at most {MAX_OPERATIONS}, there are not more");
        faults.push(InputFault::new("/allowed_operations", "too_many", detail));
        return None;
    }
    parsed.into_iter().collect()
}

const MAX_OPERATIONS: usize = Operation::ALL.len();

/// An IPv4 network written inside IPv6 would never match: clients have their canonical address.
fn parse_network(text: &str) -> Option<Cidr> {
    let address = text.split_once('/').map_or(text, |(address, _)| address).trim();
    let is_canonical = address.parse::<IpAddr>().is_ok_and(|address| address.to_canonical() == address);
    text.parse().ok().filter(|_| is_canonical)
}

fn check_length(pointer: &str, texts: &[String], instead: &str, faults: &mut Vec<InputFault>) -> Option<()> {
    if texts.is_empty() {
        faults.push(InputFault::new(pointer, "empty", format!("name at least one, or {instead}")));
        return None;
    }
    Some(())
}

fn known_operations() -> String {
    let texts: Vec<_> = Operation::ALL.iter().map(|operation| operation.as_str()).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network_faults(texts: &[&str]) -> Vec<(String, &'static str)> {
        let (texts, mut faults) = (texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), Vec::new());
        assert_eq!(parse_networks(&texts, &mut faults).is_none(), !faults.is_empty());
        faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
    }

    #[test]
    fn networks_are_told_apart_from_nonsense() {
        assert!(network_faults(&["10.0.0.0/8", "fd00::/8", "192.0.2.7"]).is_empty());
        let faults = network_faults(&["10.0.0.0/33", "10.0.0.0/8", "::ffff:10.0.0.0/104", "example.com"]);
        let pointers: Vec<_> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, ["/allowed_cidrs/0", "/allowed_cidrs/2", "/allowed_cidrs/3"]);
        assert_eq!(network_faults(&["10.0.0.0/8"; 50]), []);
        assert_eq!(network_faults(&["10.0.0.0/8"; 51])[0].1, "too_many");
    }

    #[test]
    fn an_empty_list_never_means_anything_goes() {
        assert_eq!(network_faults(&[])[0].1, "empty");
        let mut faults = Vec::new();
        assert_eq!(parse_operations(&[], &mut faults), None);
        assert_eq!(faults[0].code, "empty");
    }

    #[test]
    fn operations_have_the_names_of_the_request_log() {
        let mut faults = Vec::new();
        let chat_and_dream = ["chat".to_owned(), "dream".to_owned()];
        assert_eq!(parse_operations(&chat_and_dream[..1], &mut faults), Some([Operation::Chat].into()));
        assert!(faults.is_empty());
        assert_eq!(parse_operations(&chat_and_dream, &mut faults), None);
        assert_eq!((faults[0].pointer.as_str(), faults[0].code), ("/allowed_operations/1", "unknown_operation"));
        let all: Vec<_> = Operation::ALL.iter().map(|operation| operation.as_str().to_owned()).collect();
        assert_eq!(parse_operations(&all, &mut Vec::new()).map(|parsed| parsed.len()), Some(all.len()));
    }
}
