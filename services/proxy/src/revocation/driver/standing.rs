//! Where the proxy stands, and who is told: its own gate first, then the owners and whoever watches its readiness.

use std::time::Duration;

use bytes::Bytes;
use maas_events::{
    revocation::{FollowedOwner, ProxyHeartbeat},
    topic::PROXIES_SUBJECT,
};
use maas_revocation::{OwnerName, follower::Moment};
use prost::Message as _;

use super::{Driver, to_ms};

const TOLD_WITHIN: Duration = Duration::from_millis(100);

impl Driver {
    /// Tells the owners at once when this proxy has got further.
    pub(super) async fn claim(&mut self, owner: OwnerName) {
        let Some(followed) = self.followed.get_mut(&owner) else { return };
        let applied = followed.follower.applied();
        if let Some(confirmed_at) = followed.follower.confirmed_at() {
            self.applier.note_confirmed(owner, applied, self.moments.time_of(confirmed_at));
        }
        if followed.applied.send_if_modified(|known| std::mem::replace(known, applied) != applied) {
            // Before anybody is told: the gate must not open late.
            self.judge();
            self.beat(false).await;
        }
    }

    /// Opens or closes the gate.
    pub(super) fn judge(&mut self) {
        let now = self.moments.now();
        let (mut until, mut unconfirmed) = (None::<Moment>, Vec::new());
        for (owner, followed) in &mut self.followed {
            match followed.follower.serves_until(now) {
                Some(each) => until = Some(until.map_or(each, |until| until.min(each))),
                None => unconfirmed.push(owner.as_str()),
            }
        }
        match until.filter(|_| unconfirmed.is_empty()) {
            Some(until) => self.gate.open_for(until.since_ms(now), self.moments.steady_ms()),
            None => self.gate.close(),
        }
        self.note_gate(&unconfirmed);
    }

    fn note_gate(&mut self, unconfirmed: &[&str]) {
        let is_open = unconfirmed.is_empty();
        let before = self.was_open.replace(is_open);
        if before == Some(is_open) {
            return;
        }
        if is_open {
            self.check.set_ok();
            tracing::info!("what is known of keys and users is confirmed");
            return;
        }
        let owners = unconfirmed.join(" and ");
        self.check.set_failed(format!("revocations are not confirmed by {owners}"));
        if before.is_some() {
            tracing::warn!(owners, "what is known of keys and users is not confirmed: requests with them are refused");
        }
    }

    pub(super) async fn beat(&self, leaving: bool) {
        let owners = self.followed.iter().filter_map(|(owner, followed)| {
            let mark = followed.follower.applied()?;
            let epoch = Bytes::copy_from_slice(mark.epoch.as_bytes());
            Some(FollowedOwner { owner: owner.as_str().to_owned(), epoch, applied: mark.counter })
        });
        let heartbeat = ProxyHeartbeat {
            instance: Bytes::copy_from_slice(self.identity.instance.as_bytes()),
            boot: Bytes::copy_from_slice(self.identity.boot.as_bytes()),
            owners: owners.collect(),
            max_unconfirmed_ms: to_ms(self.max_unconfirmed).unsigned_abs(),
            leaving,
        };
        // While the bus is away the owners learn from the questions how far this proxy is. One that hangs must not stop
        // what follows.
        let telling = self.bus.broadcast(PROXIES_SUBJECT, heartbeat.encode_to_vec().into());
        let _ = tokio::time::timeout(TOLD_WITHIN, telling).await;
    }
}
