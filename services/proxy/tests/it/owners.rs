//! What auth and key-management are to a proxy that follows their revocations: they count, broadcast and answer.

use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use maas_bus::{AnswerFuture, Bus as _, InProcessBus};
use maas_events::{
    Delivery,
    revocation::{ProxyHeartbeat, Revocation, Revocations},
    topic::{PROXIES_SUBJECT, REVOCATION_SUBJECT},
};
use maas_revocation::{OwnerName, RevocationQuery};
use maas_testkit::eventually;
use maas_types::Clock;
use prost::Message as _;
use uuid::Uuid;

use crate::http::PATIENCE;

const BEAT: Duration = Duration::from_millis(100);

/// Both owners.
pub struct Owners {
    pub auth: Arc<Owner>,
    pub keys: Arc<Owner>,
    pub heartbeats: Arc<Mutex<Vec<ProxyHeartbeat>>>,
}

pub struct Owner {
    name: OwnerName,
    bus: InProcessBus,
    clock: Arc<dyn Clock>,
    told: Mutex<Told>,
    /// Whether it answers questions, and whether it broadcasts.
    answers: AtomicBool,
    broadcasts: AtomicBool,
}

struct Told {
    epoch: Uuid,
    log: Vec<Delivery>,
}

impl Owners {
    pub async fn start(bus: &InProcessBus, clock: Arc<dyn Clock>) -> Self {
        let auth = Owner::start(OwnerName::Auth, bus, clock.clone()).await;
        let keys = Owner::start(OwnerName::Keys, bus, clock).await;
        let heartbeats: Arc<Mutex<Vec<ProxyHeartbeat>>> = Arc::default();
        let (heard, mut beats) = (heartbeats.clone(), bus.listen(PROXIES_SUBJECT).await.unwrap());
        tokio::spawn(async move {
            while let Some(payload) = beats.recv().await {
                heard.lock().unwrap().push(ProxyHeartbeat::decode(payload).unwrap());
            }
        });
        Self { auth, keys, heartbeats }
    }

    pub fn silence(&self) {
        self.auth.silence();
        self.keys.silence();
    }

    pub fn speak(&self) {
        for owner in [&self.auth, &self.keys] {
            owner.answers.store(true, Ordering::SeqCst);
            owner.broadcasts.store(true, Ordering::SeqCst);
        }
    }

    /// Until the last heartbeat says that this much of an owner is taken over.
    pub async fn confirmed(&self, owner: &Owner) {
        let (epoch, counter) = owner.mark();
        eventually(PATIENCE, || {
            let heartbeats = self.heartbeats.lock().unwrap();
            let followed = heartbeats
                .last()
                .and_then(|beat| beat.owners.iter().find(|followed| followed.owner == owner.name.as_str()).cloned());
            let is_there = followed.is_some_and(|it| it.epoch == epoch.as_bytes()[..] && it.applied == counter);
            std::future::ready(is_there.then_some(()))
        })
        .await;
    }
}

impl Owner {
    async fn start(name: OwnerName, bus: &InProcessBus, clock: Arc<dyn Clock>) -> Arc<Self> {
        let owner = Arc::new(Self {
            name,
            bus: bus.clone(),
            clock,
            told: Mutex::new(Told { epoch: Uuid::new_v4(), log: Vec::new() }),
            answers: AtomicBool::new(true),
            broadcasts: AtomicBool::new(true),
        });
        let answering = Arc::downgrade(&owner);
        let responder = move |question: Bytes| -> AnswerFuture {
            let owner = answering.upgrade();
            Box::pin(async move {
                match owner.filter(|owner| owner.answers.load(Ordering::SeqCst)) {
                    Some(owner) => owner.answer(&serde_json::from_slice(&question).unwrap()).encode_to_vec().into(),
                    None => std::future::pending().await,
                }
            })
        };
        bus.respond(name.query_subject(), Arc::new(responder)).await.unwrap();
        tokio::spawn(keep_beating(Arc::downgrade(&owner)));
        owner
    }

    pub fn silence(&self) {
        self.answers.store(false, Ordering::SeqCst);
        self.broadcasts.store(false, Ordering::SeqCst);
    }

    pub fn stop_broadcasting(&self) {
        self.broadcasts.store(false, Ordering::SeqCst);
    }

    /// Counts it and tells it; not as a state value, so that only this way leads to the proxy.
    pub async fn revoke(&self, value: Delivery) {
        let before = self.mark().1;
        self.told.lock().unwrap().log.push(value);
        self.broadcast(before).await;
    }

    /// Its database was replaced.
    pub fn begin_epoch(&self) {
        *self.told.lock().unwrap() = Told { epoch: Uuid::new_v4(), log: Vec::new() };
    }

    fn mark(&self) -> (Uuid, u64) {
        let told = self.told.lock().unwrap();
        (told.epoch, told.log.len() as u64)
    }

    async fn broadcast(&self, after: u64) {
        if self.broadcasts.load(Ordering::SeqCst) {
            let payload = self.since(after).encode_to_vec().into();
            self.bus.broadcast(REVOCATION_SUBJECT, payload).await.unwrap();
        }
    }

    fn answer(&self, query: &RevocationQuery) -> Revocations {
        let (epoch, latest) = self.mark();
        match query.epoch == Some(epoch) && query.after <= latest {
            true => self.since(query.after),
            false => Revocations { reload: true, ..self.since(latest) },
        }
    }

    fn since(&self, after: u64) -> Revocations {
        let told = self.told.lock().unwrap();
        let changes = told.log.iter().zip(1..).filter(|(_, counter)| *counter > after);
        Revocations {
            owner: self.name.as_str().to_owned(),
            epoch: Bytes::copy_from_slice(told.epoch.as_bytes()),
            after,
            through: told.log.len() as u64,
            latest: told.log.len() as u64,
            read_at_ms: self.clock.now().unix_ms(),
            changes: changes.map(|(value, counter)| change(value, counter)).collect(),
            ..Revocations::default()
        }
    }
}

fn change(value: &Delivery, counter: u64) -> Revocation {
    let Delivery::State { bucket, value, .. } = value else { panic!("not a value: {value:?}") };
    Revocation { counter, bucket: bucket.as_str().to_owned(), value: value.clone(), ..Revocation::default() }
}

async fn keep_beating(owner: Weak<Owner>) {
    let mut beats = tokio::time::interval(BEAT);
    loop {
        beats.tick().await;
        let Some(owner) = owner.upgrade() else { return };
        let latest = owner.mark().1;
        owner.broadcast(latest).await;
    }
}
