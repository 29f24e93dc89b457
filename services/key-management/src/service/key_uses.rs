//! Writes down what the proxies tell of the keys that are in use.
//!
//! Every replica hears every report; the first one that writes a key's use is the only one for a minute. A report that is
//! lost, or that the database does not take, is made up for by the key's next use.

use std::{collections::BTreeMap, net::IpAddr};

use bytes::Bytes;
use maas_bus::SharedBus;
use maas_events::{
    state::{KeyUse, KeyUses},
    topic::KEY_USES_SUBJECT,
    validate::required_uuid,
};
use maas_store::Database;
use maas_types::{Clock, KeyId, Timestamp};
use prost::Message as _;

use crate::{domain::key::LastUse, store};

/// Reports that arrive together are written together.
const MOST_REPORTS: usize = 64;

/// Hears reports until the bus is closed or the future is dropped.
pub async fn follow(bus: SharedBus, database: Database, clock: std::sync::Arc<dyn Clock>) -> anyhow::Result<()> {
    let mut reports = bus.listen(KEY_USES_SUBJECT).await?;
    let mut gathered = Vec::new();
    while reports.recv_many(&mut gathered, MOST_REPORTS).await > 0 {
        let uses = latest_uses(gathered.drain(..), clock.now());
        if let Err(error) = store::key_use::write(database.writer(), &uses).await {
            tracing::warn!(error = %error, keys.count = uses.len(), "the last uses of keys could not be written");
        }
    }
    Ok(())
}

/// The last use of each key, in the order of the keys. What cannot be understood is left out.
fn latest_uses(reports: impl Iterator<Item = Bytes>, now: Timestamp) -> Vec<(KeyId, LastUse)> {
    let mut latest = BTreeMap::<KeyId, LastUse>::new();
    let uses = reports.filter_map(|report| KeyUses::decode(report).ok()).flat_map(|report| report.uses);
    for (key, last) in uses.filter_map(|used| use_from_wire(&used, now)) {
        let newest = latest.entry(key).or_insert_with(|| last.clone());
        if newest.at < last.at {
            *newest = last;
        }
    }
    latest.into_iter().collect()
}

fn use_from_wire(used: &KeyUse, now: Timestamp) -> Option<(KeyId, LastUse)> {
    let key = KeyId::from_uuid(required_uuid("key_id", &used.key_id).ok()?);
    if used.at_ms <= 0 {
        return None;
    }
    // A proxy whose clock is ahead must not make a key look used in the future, which no later use could correct.
    let at = Timestamp::from_unix_ms(used.at_ms).min(now);
    let address = used.address.parse::<IpAddr>().ok().map(|address| address.to_string());
    Some((key, LastUse { at, address }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_795_000_000_000);

    fn used(key: u8, at_ms: i64, address: &str) -> KeyUse {
        KeyUse { key_id: Bytes::copy_from_slice(&[key; 16]), at_ms, address: address.to_owned() }
    }

    fn told(uses: Vec<KeyUse>) -> Vec<(i64, Option<String>)> {
        let report = Bytes::from(KeyUses { uses }.encode_to_vec());
        latest_uses([report, Bytes::from_static(b"\xff")].into_iter(), NOW)
            .into_iter()
            .map(|(_, last)| (last.at.unix_ms(), last.address))
            .collect()
    }

    #[test]
    fn the_latest_use_of_each_key_counts() {
        let uses = vec![used(2, 30, "192.0.2.1"), used(1, 20, "fd00::1"), used(2, 10, "192.0.2.9")];
        assert_eq!(told(uses), [(20, Some("fd00::1".to_owned())), (30, Some("192.0.2.1".to_owned()))]);
    }

    #[test]
    fn what_cannot_be_true_is_not_believed() {
        let ahead = NOW.unix_ms() + 1_000;
        assert_eq!(told(vec![used(1, ahead, "<script>")]), [(NOW.unix_ms(), None)]);
        let nobody = KeyUse { key_id: Bytes::from_static(b"short"), ..used(1, 10, "") };
        assert!(told(vec![nobody, used(1, 0, ""), used(2, -5, "")]).is_empty());
    }
}
