//! What a proxy gets when it asks, and the tasks behind it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use maas_bus::{AnswerFuture, BusError, Responder, SharedBus};
use maas_events::{
    Bucket,
    revocation::{Revocation, Revocations},
};
use maas_runtime::process::Process;
use maas_store::{Database, StoreError};
use maas_types::{Clock, Timestamp};
use prost::Message as _;
use uuid::Uuid;

use super::{announcing, counter, fleet::Fleet};
use crate::wire::{Mark, OwnerName, RevocationQuery};

/// Revocations of one message; who needs more asks again.
const MOST_CHANGES: u64 = 500;
/// Above this a message takes no further value: the bus carries 1 MiB.
const MOST_BYTES: usize = 256 * 1024;
/// How long the database may take before it counts as unreachable.
const DATABASE_WITHIN: Duration = Duration::from_secs(1);

/// The value of a subject as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedValue {
    pub subject: Uuid,
    pub bucket: Bucket,
    /// The encoded state value; a tombstone if the subject was deleted.
    pub value: Bytes,
}

/// Reads what was revoked: the owner's rows, as state values.
#[async_trait]
pub trait RevokedValues: Send + Sync + 'static {
    /// One value for each subject that has a row.
    async fn read(&self, subjects: &[Uuid]) -> Result<Vec<RevokedValue>, StoreError>;
}

/// Answers and tells what was revoked; clones share it.
#[derive(Clone)]
pub struct RevocationOwner(Arc<Inner>);

struct Inner {
    owner: OwnerName,
    database: Database,
    clock: Arc<dyn Clock>,
    values: Arc<dyn RevokedValues>,
    fleet: Fleet,
    /// What the database said last, and when.
    last_read: Mutex<Option<(Mark, Timestamp)>>,
}

impl RevocationOwner {
    pub fn new(owner: OwnerName, database: Database, clock: Arc<dyn Clock>, values: impl RevokedValues) -> Self {
        let fleet = Fleet::new(owner, database.clone(), clock.clone());
        let (values, last_read) = (Arc::new(values), Mutex::default());
        Self(Arc::new(Inner { owner, database, clock, values, fleet, last_read }))
    }

    /// For use cases that revoke.
    pub fn fleet(&self) -> &Fleet {
        &self.0.fleet
    }

    /// Spawns what tells the proxies and hears them, and answers on the bus. Everything ends at the soft stop.
    pub async fn start(&self, bus: &SharedBus, process: &Process) -> Result<(), BusError> {
        bus.respond(self.0.owner.query_subject(), self.responder()).await?;
        announcing::spawn(self, bus, process);
        Ok(())
    }

    /// What was revoked after the proxy's counter. Never fails: a database that does not answer is told as that.
    pub async fn answer(&self, query: &RevocationQuery) -> Revocations {
        // Side by side: the proxy waits for little more than the time that one of them may take.
        let noting = self.within(self.0.fleet.note_query(query));
        let (noted, read) = tokio::join!(noting, self.within(self.try_answer(query)));
        if let Err(error) = noted {
            tracing::debug!(owner = self.0.owner.as_str(), error = %error, "a proxy that asked is not written down");
        }
        read.unwrap_or_else(|error| self.unreachable(&error))
    }

    /// What was revoked after `after`, in the current epoch.
    pub(super) async fn since(&self, after: Option<Mark>) -> Revocations {
        let read = self.within(async {
            let (latest, read_at) = self.read_latest().await?;
            let after = after.filter(|after| after.epoch == latest.epoch).map_or(latest.counter, |after| after.counter);
            self.list(latest, read_at, after).await
        });
        read.await.unwrap_or_else(|error| self.unreachable(&error))
    }

    pub(super) fn name(&self) -> OwnerName {
        self.0.owner
    }

    /// Forgets revocations that are no longer listed, and proxies that are gone. Done each minute.
    pub async fn tidy(&self) -> Result<(), StoreError> {
        let forgotten = counter::prune(self.0.database.writer(), self.0.clock.now()).await?;
        tracing::debug!(revocations.count = forgotten, "old revocations are not listed any more");
        self.0.fleet.forget_gone().await
    }

    async fn try_answer(&self, query: &RevocationQuery) -> Result<Revocations, StoreError> {
        let (mut latest, read_at) = self.read_latest().await?;
        let asked = query.applied().filter(|asked| asked.epoch == latest.epoch);
        if asked.is_some_and(|asked| asked.counter > latest.counter) {
            // The database was restored from a copy of before: its counters will be used again, for something else.
            tracing::error!(owner = self.0.owner.as_str(), "the counter of revocations went back: a new epoch begins");
            counter::renew_epoch(self.0.database.writer(), Some(latest.epoch)).await?;
            latest = self.read_latest().await?.0;
        }
        let forgotten = counter::forgotten(self.0.database.reader(), latest.counter).await?;
        let listed_after = asked.filter(|asked| asked.epoch == latest.epoch && asked.counter >= forgotten);
        let Some(after) = listed_after else {
            let reload = self.empty(latest, read_at, latest.counter);
            return Ok(Revocations { reload: true, forgotten, ..reload });
        };
        Ok(Revocations { forgotten, ..self.list(latest, read_at, after.counter).await? })
    }

    /// The values are read after the counters, so they are at least as new.
    async fn list(&self, latest: Mark, read_at: Timestamp, after: u64) -> Result<Revocations, StoreError> {
        let mut told = self.empty(latest, read_at, after);
        if after >= latest.counter {
            return Ok(told);
        }
        let listed = counter::listed(self.0.database.reader(), after, latest.counter, MOST_CHANGES).await?;
        let mut subjects: Vec<Uuid> = listed.iter().map(|(_, subject)| *subject).collect();
        subjects.sort_unstable();
        subjects.dedup();
        let values = self.0.values.read(&subjects).await?;
        let mut bytes = 0;
        for (counter, subject) in listed {
            match values.iter().find(|found| found.subject == subject) {
                Some(found) => {
                    bytes += found.value.len();
                    told.changes.push(to_wire(counter, found));
                }
                // Its tombstone travels as a state value only.
                None => tracing::debug!(owner = self.0.owner.as_str(), "a revoked subject has no row any more"),
            }
            told.through = counter;
            if bytes > MOST_BYTES {
                break;
            }
        }
        Ok(told)
    }

    fn empty(&self, latest: Mark, read_at: Timestamp, after: u64) -> Revocations {
        Revocations {
            owner: self.0.owner.as_str().to_owned(),
            epoch: Bytes::copy_from_slice(latest.epoch.as_bytes()),
            after,
            through: after,
            read_at_ms: read_at.unix_ms(),
            latest: latest.counter,
            ..Revocations::default()
        }
    }

    async fn read_latest(&self) -> Result<(Mark, Timestamp), StoreError> {
        // The time first: what is durable by then is in the counter.
        let read_at = self.0.clock.now();
        let latest = counter::latest(self.0.database.reader()).await?;
        *self.0.last_read.lock().unwrap_or_else(PoisonError::into_inner) = Some((latest, read_at));
        Ok((latest, read_at))
    }

    /// What the database said last. A replica that has never read it has nothing to say, which is an epoch of no bytes.
    fn unreachable(&self, error: &ReadError) -> Revocations {
        tracing::debug!(owner = self.0.owner.as_str(), error = %error, "the revocations cannot be read");
        let now = self.0.clock.now();
        let last_read = *self.0.last_read.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((latest, read_at)) = last_read else {
            let owner = self.0.owner.as_str().to_owned();
            return Revocations { owner, database_unreachable_since_ms: now.unix_ms(), ..Revocations::default() };
        };
        let told = self.empty(latest, now, latest.counter);
        Revocations { database_unreachable_since_ms: read_at.unix_ms().max(1), ..told }
    }

    async fn within<T>(&self, read: impl Future<Output = Result<T, StoreError>>) -> Result<T, ReadError> {
        match tokio::time::timeout(DATABASE_WITHIN, read).await {
            Ok(read) => Ok(read?),
            Err(_) => Err(ReadError::TooSlow),
        }
    }

    fn responder(&self) -> Responder {
        let owner = self.clone();
        Arc::new(move |question: Bytes| -> AnswerFuture {
            let owner = owner.clone();
            Box::pin(async move {
                match serde_json::from_slice::<RevocationQuery>(&question) {
                    Ok(query) => owner.answer(&query).await.encode_to_vec().into(),
                    Err(_) => Bytes::new(),
                }
            })
        })
    }
}

fn to_wire(counter: u64, found: &RevokedValue) -> Revocation {
    Revocation {
        counter,
        subject: Bytes::copy_from_slice(found.subject.as_bytes()),
        bucket: found.bucket.as_str().to_owned(),
        value: found.value.clone(),
    }
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("the database did not answer in time")]
    TooSlow,
    #[error(transparent)]
    Store(#[from] StoreError),
}
