//! How this proxy hears of revocations, says how far it is, and stops believing what nobody confirms.
//!
//! Two ways at once: what the owners broadcast, and what they answer every two seconds (over internal HTTP; over the bus
//! where no address is configured). What to make of it is decided by [`maas_revocation::follower`], which does no I/O; the
//! [`driver`] feeds it, takes values over, and tells the owners. Streams of callers that may no longer call are ended by
//! [`cutting`], whichever way a value came.

mod asking;
pub mod cutting;
mod driver;
mod gate;
mod moments;

use std::{sync::Arc, time::Duration};

use maas_bus::SharedBus;
use maas_events::Bucket;
use maas_http::{AddressGuard, ClientError, ControlOptions, control_client};
use maas_revocation::{Mark, OwnerName};
use maas_runtime::{process::Process, readiness::CheckHandle};
use maas_types::Timestamp;
use tokio::sync::Notify;
use uuid::Uuid;

pub use gate::Gate;

use crate::{
    settings::{KeySettings, StateSources},
    state::{load::Loader, watch::Applier},
};
use asking::Asker;
use driver::Driver;

/// An answer that takes longer is none: the next question is due.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_500);

/// How far an owner's revocations were taken over by an earlier run, and when that was last confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    pub owner: OwnerName,
    pub mark: Mark,
    pub confirmed_at: Timestamp,
}

/// Who this proxy is to the owners.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    pub instance: Uuid,
    pub boot: Uuid,
}

/// What following needs of the proxy.
pub struct Following<'a> {
    pub identity: Identity,
    pub sources: &'a StateSources,
    pub settings: &'a KeySettings,
    pub applier: Arc<Applier>,
    pub bus: SharedBus,
    /// Of a copy on disk, for the owners that it covers.
    pub reached: Vec<Reached>,
    /// Whether no request is open any more, once no new one is let in.
    pub is_idle: Box<dyn Fn() -> bool + Send + Sync>,
    pub check: CheckHandle,
}

/// Spawns everything; requests may be served as far as the gate says.
pub fn spawn(following: Following<'_>, process: &Process) -> Result<Arc<Gate>, ClientError> {
    let options =
        ControlOptions { guard: AddressGuard::with_loopback(), timeout: ANSWER_WITHIN, ..ControlOptions::default() };
    let client = control_client(&options)?;
    let loader = Loader::new(following.sources.clone(), following.applier.clone())?;
    let gate = Arc::new(Gate::default());
    let driver = Driver::new(following.identity, &following, loader, gate.clone(), process.clock.clone());
    for owner in OwnerName::ALL {
        let asker = match following.sources.revocations_url(owner) {
            Some(url) => Asker::http(client.clone(), url, following.sources.internal_token.clone()),
            None => Asker::bus(following.bus.clone(), owner),
        };
        driver.spawn_asking(owner, asker, process);
    }
    driver.spawn(following, process);
    Ok(gate)
}

/// Where what an owner revokes is.
pub const fn revoked_bucket(owner: OwnerName) -> Bucket {
    match owner {
        OwnerName::Auth => Bucket::Users,
        OwnerName::Keys => Bucket::Keys,
    }
}

/// Who revokes values of the bucket, if anybody.
pub fn owner_of(bucket: Bucket) -> Option<OwnerName> {
    OwnerName::ALL.into_iter().find(|owner| revoked_bucket(*owner) == bucket)
}

/// Wakes who asks an owner, before its next turn.
type AskNow = Arc<Notify>;
