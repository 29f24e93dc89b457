//! What one worker thread has: its share of the process, and its own client, journal and leftovers.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use maas_http::{UpstreamClientFactory, UpstreamClients};
use maas_journal::{Journal, JournalError};
use maas_keys::Peppers;
use maas_types::Clock;
use tokio_util::sync::CancellationToken;

use crate::{
    key_uses::KeyUses,
    metering::open_request::SharedJournal,
    metrics::ProxyMetrics,
    relay::leftover::Leftovers,
    revocation::{
        Gate,
        cutting::{Cutter, OpenCalls},
    },
    routing::HealthTable,
    settings::ProxySettings,
    state::{State, lookup::KeyLookups, watch::Applier},
    tokens::AccessTokens,
    usage_of_key::KeyUsageQuestions,
};

/// What all workers share.
pub struct Shared {
    pub settings: ProxySettings,
    pub state: Arc<State>,
    pub applier: Arc<Applier>,
    pub cutter: Arc<Cutter>,
    /// Whether what is known of keys and users may be believed.
    pub gate: Arc<Gate>,
    pub peppers: Peppers,
    pub lookups: KeyLookups,
    pub key_usage: KeyUsageQuestions,
    pub key_uses: Arc<KeyUses>,
    pub tokens: Arc<AccessTokens>,
    pub metrics: Arc<ProxyMetrics>,
    pub clock: Arc<dyn Clock>,
    pub journal: Journal,
    pub clients: UpstreamClientFactory,
    pub routing: Arc<HealthTable>,
    /// No new requests; those in progress are finished.
    pub draining: CancellationToken,
    pub in_progress: Arc<AtomicUsize>,
    /// Of the bodies of all requests in progress.
    pub body_bytes: AtomicUsize,
    pub next_worker: AtomicU32,
}

/// One per worker thread; nothing in it crosses threads.
pub struct Worker {
    pub shared: Arc<Shared>,
    pub clients: UpstreamClients,
    pub journal: SharedJournal,
    pub leftovers: Leftovers,
    /// For choices that need no secrecy: weights, backoff.
    pub random: RefCell<fastrand::Rng>,
    /// Copies for mirrors that are under way.
    pub mirroring: Rc<Cell<usize>>,
    pub peppers: Rc<Peppers>,
    /// What this thread is doing, for whom.
    pub open_calls: Rc<OpenCalls>,
}

impl Worker {
    /// Call on the thread that will use it.
    pub fn new(shared: Arc<Shared>) -> Result<Self, JournalError> {
        let number = shared.next_worker.fetch_add(1, Ordering::Relaxed);
        let journal = Rc::new(RefCell::new(shared.journal.worker(number)?));
        flush_every_second(&journal);
        Ok(Self {
            clients: UpstreamClients::new(shared.clients.clone()),
            journal,
            leftovers: Leftovers::spawn(),
            open_calls: shared.cutter.open_calls(shared.state.clone(), shared.clock.clone()),
            random: RefCell::new(fastrand::Rng::new()),
            mirroring: Rc::default(),
            peppers: Rc::new(shared.peppers.clone()),
            shared,
        })
    }
}

/// A worker that could not write says so to all others, who stop admitting; only its own next flush takes that back.
fn flush_every_second(journal: &SharedJournal) {
    let journal = Rc::downgrade(journal);
    actix_web::rt::spawn(async move {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        loop {
            second.tick().await;
            let Some(journal) = journal.upgrade() else { return };
            if let Err(error) = journal.borrow_mut().flush() {
                tracing::error!(error = %error, "the usage journal cannot be written; no requests are admitted");
            }
        }
    });
}

/// Counts a request as in progress until it is dropped, with its body.
pub struct InProgress {
    shared: Arc<Shared>,
    /// Of its body, kept for as long as the request.
    body_bytes: usize,
}

impl InProgress {
    /// `None` when there are too many.
    pub fn enter(shared: &Arc<Shared>) -> Option<Self> {
        let before = shared.in_progress.fetch_add(1, Ordering::Relaxed);
        let entered = Self { shared: shared.clone(), body_bytes: 0 };
        (before < shared.settings.max_requests).then_some(entered)
    }
}

impl InProgress {
    /// Takes memory for so many bytes more of the body. False when all requests together would hold too much.
    pub fn hold(&mut self, bytes: usize) -> bool {
        let before = self.shared.body_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.body_bytes += bytes;
        before.saturating_add(bytes) <= self.shared.settings.max_body_memory_bytes
    }

    /// Gives back what was taken in vain.
    pub fn give_back(&mut self, bytes: usize) {
        let bytes = bytes.min(self.body_bytes);
        self.body_bytes -= bytes;
        self.shared.body_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.shared.in_progress.fetch_sub(1, Ordering::Relaxed);
        self.shared.body_bytes.fetch_sub(self.body_bytes, Ordering::Relaxed);
    }
}
