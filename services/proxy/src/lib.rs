//! The data plane: an OpenAI-compatible proxy that checks keys, meters every token, and otherwise stays out of the way.
//!
//! Owns the path of a request from its headers to its settlement, the in-memory state it is decided on, and the usage
//! journal. Never touches a database, and asks nobody about a key that it knows. It stores no text of requests or
//! answers anywhere.
//!
//! The steps of a request are listed in [`request`]. To add an endpoint: a line in `path.rs`, its required fields in
//! `maas-llm`, its entry in `openapi.rs`.
#![forbid(unsafe_code)]

pub mod journal_command;
mod key_uses;
mod metering;
mod metrics;
mod openapi;
mod path;
mod refusal;
mod relay;
mod request;
mod revocation;
mod routing;
pub mod settings;
mod snapshot;
mod state;
mod tokens;
mod usage_of_key;
mod worker;

use std::{
    net::TcpListener,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::{
    App, Error,
    body::BoxBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse, fn_service},
};
use anyhow::Context as _;
use maas_bus::SharedBus;
use maas_events::Bucket;
use maas_http::{AddressGuard, UpstreamClientFactory, UpstreamOptions};
use maas_journal::{Journal, JournalError, JournalOptions};
use maas_keys::{Pepper, Peppers, SealingKeys};
use maas_runtime::{exit::StartError, lifecycle::Lifecycle, process::Process};
use maas_types::UserId;
use maas_web::edge::{ClientPatience, DataPlaneOptions, serve_data_plane};

pub use openapi::openapi;
pub use refusal::refuse_at_edge;
pub use settings::ProxySettings;
pub use tokens::{TokenKeySource, TokenKeysUnavailable};

use key_uses::KeyUses;
use metering::{
    recovery::{RECOVERY_WORKER, recover},
    shipping::Shipper,
};
use metrics::ProxyMetrics;
use revocation::{Following, Gate, Identity, cutting::Cutter};
use routing::{HealthTable, Watched, checker::CheckTarget, report::Reporter};
use snapshot::Resumed;
use state::{State, credential::CredentialSource, load::Loader, lookup::KeyLookups, upstream::UpstreamSource, watch};
use tokens::AccessTokens;
use usage_of_key::KeyUsageQuestions;
use worker::{Shared, Worker};

/// Whether a proxy with these settings can start when nobody is there to be asked, the bus included.
pub fn can_start_alone(settings: &ProxySettings) -> bool {
    snapshot::exists(&settings.snapshot_folder())
}

/// A running proxy, without its listener.
#[derive(Clone)]
pub struct Proxy {
    shared: Arc<Shared>,
}

impl Proxy {
    /// Opens the journal, watches the state, and ships usage. Ready when keys, users and models are known; what an
    /// earlier run left in the journal is taken over meanwhile.
    pub async fn start(settings: ProxySettings, bus: SharedBus, process: &Process) -> Result<Self, StartError> {
        let token_keys = tokens::from_auth(&settings.state_sources).context("the client for token keys")?;
        Self::start_beside_auth(settings, token_keys, bus, process).await
    }

    /// The same where auth lives in this process, too, and gives the keys of access tokens without a network in between.
    pub async fn start_beside_auth(
        settings: ProxySettings,
        token_keys: Option<TokenKeySource>,
        bus: SharedBus,
        process: &Process,
    ) -> Result<Self, StartError> {
        let metrics = Arc::new(ProxyMetrics::register(&process.metrics).context("metrics")?);
        let (journal, recovery) = open_journal(&settings)?;
        let state = Arc::new(State::new());
        let credentials = CredentialSource {
            variables: settings.credential_variables.clone(),
            folder: settings.credential_dir.clone(),
            sealing: sealing_keys(&settings)?,
        };
        let routing = Arc::new(HealthTable::new(settings.routing.clone(), Instant::now()));
        let upstreams = UpstreamSource { credentials, ca_dir: settings.ca_dir.clone(), health: routing.clone() };
        let clock = process.clock.clone();
        let cutter = Arc::new(Cutter::default());
        let applier = watch::Applier::new(state.clone(), metrics.clone(), upstreams, cutter.clone(), process);
        let applier = Arc::new(applier);
        let in_progress = Arc::new(AtomicUsize::new(0));
        let resumed = snapshot::resume(settings.snapshot_folder(), &applier, process).await;
        let gate = follow_revocations(&settings, &journal, &applier, &bus, &in_progress, resumed, process)?;
        watch::spawn_watchers(&bus, &applier, process);
        let resend_after = settings.resend_after.get();
        Shipper::new(journal.clone(), bus.clone(), metrics.clone(), process, resend_after).spawn(process);
        spawn_recovery(&journal, recovery, process);

        let guard = AddressGuard { allow_loopback: settings.allow_loopback_upstreams, ..AddressGuard::default() };
        let ca_files = settings.ca_files.clone();
        let clients = UpstreamClientFactory::new(&UpstreamOptions { guard, ca_files, ..UpstreamOptions::default() });
        let clients = clients.context("the upstream client")?;
        let watch_list = watch_list(&state);
        routing::checker::spawn(watch_list.clone(), clients.clone(), settings.routing.clone(), &process.lifecycle);
        let instance = journal.instance().into_bytes();
        let reporter = Reporter { bus: bus.clone(), instance, table: routing.clone(), watch_list };
        reporter.spawn(process).context("metrics")?;
        let key_uses = Arc::new(KeyUses::default());
        key_uses.spawn(bus.clone(), process);
        let tokens = Arc::new(AccessTokens::new(token_keys));
        tokens.spawn(process);
        let shared = Shared {
            tokens,
            cutter,
            gate,
            key_uses,
            peppers: peppers(&settings)?,
            lookups: KeyLookups::new(bus.clone(), state.clone(), applier.clone()),
            applier,
            key_usage: KeyUsageQuestions::new(bus),
            clients,
            routing,
            draining: process.lifecycle.soft_stop().clone(),
            in_progress,
            body_bytes: AtomicUsize::new(0),
            next_worker: AtomicU32::new(RECOVERY_WORKER + 1),
            settings,
            state,
            metrics,
            clock,
            journal,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The service that answers the data plane, for one worker thread; to be called on that thread.
    pub fn data_plane(
        &self,
    ) -> impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    > + use<> {
        #[expect(clippy::expect_used, reason = "start-up of a worker; the number is fresh, so its journal is free")]
        let worker = Rc::new(Worker::new(self.shared.clone()).expect("the journal of a new worker"));
        fn_service(move |request: ServiceRequest| {
            let worker = worker.clone();
            async move {
                let (head, payload) = request.into_parts();
                let response = request::answer(&worker, &head, payload).await;
                Ok(ServiceResponse::new(head, response))
            }
        })
    }

    /// Serves on a listener of its own, with nothing around the data plane.
    pub fn serve(&self, lifecycle: &Lifecycle, listener: TcpListener, workers: usize) -> anyhow::Result<()> {
        let document = maas_web::openapi::to_text(&openapi())?;
        let proxy = self.clone();
        let drain = self.shared.settings.drain_timeout.get();
        let patience = ClientPatience::default();
        let options = DataPlaneOptions { workers, drain, patience, render_refusal: refuse_at_edge };
        let application = move || {
            let document = document.clone();
            App::new()
                .configure(move |services| maas_web::explorer::serve_document(services, "proxy", document))
                .default_service(proxy.data_plane())
        };
        Ok(serve_data_plane(lifecycle, "data plane", listener, options, application)?)
    }

    /// Whether the owner's keys are believed here.
    pub fn knows_user(&self, user: UserId) -> bool {
        self.shared.gate.is_open(self.shared.clock.steady_ms()) && self.shared.state.users.get(&user).is_some()
    }

    /// The name of a chat model that can be called.
    pub fn chat_model(&self) -> Option<String> {
        let models = self.shared.state.models();
        let mut callable = models.iter().filter(|model| model.enabled && !model.upstreams.is_empty());
        callable.find(|model| model.is_chat()).map(|model| model.name.to_string())
    }

    pub fn drain_timeout(&self) -> Duration {
        self.shared.settings.drain_timeout.get()
    }

    /// Brings gauges up to date; called before metrics are shown.
    pub fn refresh_metrics(&self) {
        let stats = self.shared.journal.stats();
        let metrics = &self.shared.metrics;
        let to_gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        metrics.journal_events.set(to_gauge(stats.events));
        metrics.journal_bytes.set(to_gauge(stats.bytes));
        let now = self.shared.clock.now().unix_ms();
        let age_ms = stats.oldest_unix_ms.map_or(0, |oldest| now.saturating_sub(oldest).max(0));
        metrics.journal_oldest.set(age_ms / 1_000);
        self.shared.applier.report_ages();
    }
}

/// The upstreams that the catalogue has at each moment.
fn watch_list(state: &Arc<State>) -> routing::WatchList {
    let state = state.clone();
    Arc::new(move || {
        let models = state.models();
        let watched = models.iter().flat_map(|model| {
            let upstreams = model.upstreams.iter().chain(&model.mirrors);
            upstreams.map(|upstream| Watched {
                model: model.metrics.label().to_owned(),
                upstream: upstream.name.clone(),
                health: upstream.health.clone(),
                check: upstream.health_check.clone().map(|uri| CheckTarget { uri, profile: upstream.profile.clone() }),
            })
        });
        watched.collect()
    })
}

fn open_journal(settings: &ProxySettings) -> Result<(Journal, maas_journal::Recovery), StartError> {
    let options = JournalOptions {
        durability: settings.journal_durability.into(),
        retention: settings.journal_retention.get(),
        retained_bytes: settings.journal_retained_bytes,
        low_water_bytes: settings.journal_low_water_bytes,
        ..JournalOptions::default()
    };
    Journal::open(&settings.journal_dir, options).map_err(|error| {
        StartError::unavailable("the usage journal cannot be opened", with_cause(&error), "see proxy.journal_dir")
    })
}

/// What the owners revoke is followed from here on. Everything else there is of them is loaded once, beside it.
fn follow_revocations(
    settings: &ProxySettings,
    journal: &Journal,
    applier: &Arc<watch::Applier>,
    bus: &SharedBus,
    in_progress: &Arc<AtomicUsize>,
    resumed: Resumed,
    process: &Process,
) -> Result<Arc<Gate>, StartError> {
    resumed.complete.iter().for_each(|bucket| applier.note_complete(*bucket));
    let loader = Loader::new(settings.state_sources.clone(), applier.clone()).context("the state's client")?;
    // What nobody follows yet is loaded once the follower knows up to which counter that is.
    let is_followed = |bucket: &Bucket| match revocation::owner_of(*bucket) {
        Some(owner) => resumed.reached.iter().any(|reached| reached.owner == owner),
        None => true,
    };
    loader.spawn(Bucket::ALL.into_iter().filter(is_followed), process);
    let in_progress = in_progress.clone();
    let following = Following {
        identity: Identity { instance: journal.instance(), boot: journal.boot() },
        sources: &settings.state_sources,
        settings: &settings.keys,
        applier: applier.clone(),
        bus: bus.clone(),
        reached: resumed.reached,
        is_idle: Box::new(move || in_progress.load(Ordering::Relaxed) == 0),
        check: process.readiness.scoped("proxy").register("revocations"),
    };
    Ok(revocation::spawn(following, process).context("the client for revocations")?)
}

fn with_cause(error: &JournalError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn spawn_recovery(journal: &Journal, recovery: maas_journal::Recovery, process: &Process) {
    let journal = journal.clone();
    let stopping = process.lifecycle.soft_stop().clone();
    process.lifecycle.spawn("journal recovery", async move {
        let recovered =
            tokio::task::spawn_blocking(move || recover(&journal, recovery, || stopping.is_cancelled())).await?;
        // The files stay as they are; the operator has to act, and the next start tries again.
        if let Err(error) = recovered {
            tracing::error!(error = %error, "usage of an earlier run could not be taken over");
        }
        Ok(())
    });
}

fn peppers(settings: &ProxySettings) -> Result<Peppers, StartError> {
    let mut peppers = vec![pepper(settings.pepper_version, settings.pepper.expose())?];
    if settings.previous_pepper.is_set() {
        peppers.push(pepper(settings.pepper_version.saturating_sub(1), settings.previous_pepper.expose())?);
    }
    Ok(Peppers::new(peppers).context("proxy.pepper")?)
}

fn pepper(version: u32, content: &str) -> Result<Pepper, StartError> {
    Ok(Pepper::from_file_content(version, content.as_bytes()).context("proxy.pepper")?)
}

fn sealing_keys(settings: &ProxySettings) -> Result<Option<SealingKeys>, StartError> {
    if !settings.encryption_key.is_set() {
        return Ok(None);
    }
    let keys = [(settings.encryption_key_version, settings.encryption_key.expose())];
    Ok(Some(SealingKeys::from_hex(&keys).context("proxy.encryption_key")?))
}
