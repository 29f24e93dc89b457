//! The proxies as an owner knows them, and the wait for their confirmations.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use maas_events::{revocation::ProxyHeartbeat, validate::required_uuid};
use maas_store::{Database, StoreError};
use maas_types::{Clock, Timestamp};
use serde::Serialize;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    member::{Member, believed_unconfirmed},
    polls,
};
use crate::wire::{Mark, OwnerName, RevocationQuery};

/// What proxies told other replicas is looked up this often while somebody waits.
const LOOK_AT_POLLS: Duration = Duration::from_millis(100);
/// A proxy that has nothing new to say is written down this often.
const NOTE_EVERY: Duration = Duration::from_secs(4);
/// More proxies than this are not remembered; no installation has them.
const MOST_MEMBERS: usize = 10_000;

/// How many proxies have taken a revocation over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Confirmation {
    /// Proxies that refuse what was revoked, and have ended its streams.
    #[schema(example = 3)]
    pub confirmed: u32,
    /// Proxies that were heard of within the last 10 seconds.
    #[schema(example = 3)]
    pub live: u32,
    /// Proxies that may still be running and have not confirmed.
    pub pending: Vec<PendingProxy>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PendingProxy {
    /// The proxy's instance id, as in the sources of usage events.
    #[schema(example = "019a9c3b5f0e7c42a1d38b6f0c9e4a57")]
    pub instance: String,
    /// By when it refuses what was revoked, even if nothing reaches it.
    pub closes_at: Timestamp,
}

/// One per process; clones share it.
#[derive(Clone)]
pub struct Fleet(Arc<Inner>);

struct Inner {
    owner: OwnerName,
    database: Database,
    clock: Arc<dyn Clock>,
    members: Mutex<HashMap<Uuid, Member>>,
    /// As this process wrote them last.
    written: Mutex<HashMap<Uuid, Member>>,
    heard: watch::Sender<()>,
    revoked: Notify,
}

impl Fleet {
    pub fn new(owner: OwnerName, database: Database, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            owner,
            database,
            clock,
            members: Mutex::default(),
            written: Mutex::default(),
            heard: watch::Sender::new(()),
            revoked: Notify::new(),
        }))
    }

    /// Tells the proxies at once, and waits until every live one has taken `mark` over, at most for `within`. To be
    /// called after the commit; the revocation is durable, whatever comes out here.
    pub async fn wait_for(&self, mark: Mark, within: Duration) -> Confirmation {
        let revoked_at = self.0.clock.now();
        let deadline = Instant::now() + within;
        let mut heard = self.0.heard.subscribe();
        self.0.revoked.notify_one();
        loop {
            // A database that hangs must not hold the answer back.
            let _ = tokio::time::timeout_at(deadline, self.read_polls()).await;
            let (confirmation, is_complete) = self.judge(mark, revoked_at);
            if is_complete || Instant::now() >= deadline {
                return confirmation;
            }
            let look_again = deadline.min(Instant::now() + LOOK_AT_POLLS);
            let _ = tokio::time::timeout_at(look_again, heard.changed()).await;
        }
    }

    /// Also whether nobody is left to wait for: silent proxies are not.
    fn judge(&self, mark: Mark, revoked_at: Timestamp) -> (Confirmation, bool) {
        let now = self.0.clock.now();
        let members = self.members();
        let mut confirmation = Confirmation { confirmed: 0, live: 0, pending: Vec::new() };
        let mut is_complete = true;
        for (instance, member) in members.iter().filter(|(_, member)| member.applied.is_some() && !member.is_gone(now))
        {
            let is_live = member.is_live(now);
            confirmation.live += u32::from(is_live);
            if member.has_applied(mark) {
                confirmation.confirmed += u32::from(is_live);
                continue;
            }
            is_complete &= !is_live;
            let instance = instance.simple().to_string();
            confirmation.pending.push(PendingProxy { instance, closes_at: member.closes_at(revoked_at) });
        }
        confirmation.pending.sort_by(|left, right| left.instance.cmp(&right.instance));
        (confirmation, is_complete)
    }

    /// Takes over a broadcast heartbeat. One that names no proxy is dropped.
    pub(super) async fn hear(&self, heartbeat: &ProxyHeartbeat) {
        let instance = required_uuid("instance", &heartbeat.instance);
        let boot = required_uuid("boot", &heartbeat.boot);
        let (Ok(instance), Ok(boot)) = (instance, boot) else {
            return tracing::warn!("a proxy's heartbeat without its ids is left out");
        };
        if heartbeat.leaving {
            return self.let_go(instance, boot).await;
        }
        let followed = heartbeat.owners.iter().find(|followed| followed.owner == self.0.owner.as_str());
        let applied = followed.and_then(|followed| {
            let epoch = required_uuid("epoch", &followed.epoch).ok()?;
            Some(Mark { epoch, counter: followed.applied })
        });
        let max_unconfirmed = believed_unconfirmed(heartbeat.max_unconfirmed_ms);
        self.merge(instance, Member { boot, applied, seen_at: self.0.clock.now(), max_unconfirmed });
    }

    /// Takes over who asked, and writes it down for the other replicas.
    pub(super) async fn note_query(&self, query: &RevocationQuery) -> Result<(), StoreError> {
        let member = Member {
            boot: query.boot,
            applied: query.applied(),
            seen_at: self.0.clock.now(),
            max_unconfirmed: believed_unconfirmed(query.max_unconfirmed_ms),
        };
        self.merge(query.instance, member.clone());
        let now = member.seen_at;
        let is_news = polls::is_worth_writing(lock(&self.0.written).get(&query.instance), &member, NOTE_EVERY, now);
        if is_news {
            polls::write(self.0.database.writer(), query.instance, &member).await?;
            lock(&self.0.written).insert(query.instance, member);
        }
        Ok(())
    }

    /// Takes over what proxies told other replicas, and forgets those that are gone.
    pub(super) async fn read_polls(&self) -> Result<(), StoreError> {
        for (instance, member) in polls::read(self.0.database.reader()).await? {
            self.merge(instance, member);
        }
        Ok(())
    }

    pub(super) async fn forget_gone(&self) -> Result<(), StoreError> {
        let now = self.0.clock.now();
        let gone: Vec<(Uuid, Uuid)> = {
            let members = self.members();
            let gone = members.iter().filter(|(_, member)| member.is_gone(now));
            gone.map(|(instance, member)| (*instance, member.boot)).collect()
        };
        for (instance, boot) in gone {
            self.forget(instance, boot);
            polls::delete(self.0.database.writer(), instance, boot).await?;
        }
        Ok(())
    }

    /// When somebody waits for confirmations.
    pub(super) async fn revoked(&self) {
        self.0.revoked.notified().await;
    }

    async fn let_go(&self, instance: Uuid, boot: Uuid) {
        self.forget(instance, boot);
        if let Err(error) = polls::delete(self.0.database.writer(), instance, boot).await {
            tracing::debug!(error = %error, "a proxy that left is still written down");
        }
    }

    fn forget(&self, instance: Uuid, boot: Uuid) {
        lock(&self.0.written).remove(&instance);
        let mut members = self.members();
        if members.get(&instance).is_some_and(|member| member.boot == boot) {
            members.remove(&instance);
        }
        drop(members);
        self.0.heard.send_replace(());
    }

    fn merge(&self, instance: Uuid, heard: Member) {
        let mut members = self.members();
        if let Some(member) = members.get_mut(&instance) {
            member.merge(heard);
        } else if members.len() < MOST_MEMBERS {
            members.insert(instance, heard);
        }
        drop(members);
        self.0.heard.send_replace(());
    }

    fn members(&self) -> MutexGuard<'_, HashMap<Uuid, Member>> {
        lock(&self.0.members)
    }
}

/// Each map is whole between statements, so a panic elsewhere does not make it unusable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
