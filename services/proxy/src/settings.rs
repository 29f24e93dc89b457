//! The proxy's own section of the configuration.

use std::path::PathBuf;

use maas_events::Bucket;
use maas_journal::Durability;
use maas_revocation::OwnerName;
use maas_runtime::config::{Faults, HumanDuration, Secret, Validate};
use maas_types::Cidr;
use serde::{Deserialize, Serialize};

use crate::routing::RoutingSettings;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProxySettings {
    /// Reverse proxies whose `X-Forwarded-For` is believed. Not a setting of this section: the process fills in what
    /// `http.trusted_proxies` says.
    #[serde(skip)]
    pub trusted_proxies: Vec<Cidr>,
    /// Folder of the usage journal; one proxy process per folder.
    pub journal_dir: PathBuf,
    /// What a usage record has survived before the client gets what it stands for.
    pub journal_durability: JournalDurability,
    /// How long usage that is committed stays in the journal, for a ledger that is restored from an older copy.
    pub journal_retention: HumanDuration,
    /// How many bytes of it at most.
    pub journal_retained_bytes: u64,
    /// With less free space on the journal's disk than this nothing is admitted.
    pub journal_low_water_bytes: u64,
    /// Where the owners of the state are; what is not named comes from the bus alone.
    pub state_sources: StateSources,
    /// Folder of the copy of the state that a start goes on from when nobody can be asked; empty: `state` in the journal's
    /// folder.
    pub snapshot_dir: PathBuf,
    pub keys: KeySettings,
    /// Secret that key MACs are made with; the same as key-management's.
    pub pepper: Secret,
    pub pepper_version: u32,
    /// Accepted as well while keys move to a new pepper.
    pub previous_pepper: Secret,
    /// Opens upstream credentials that the catalogue stores encrypted; the same as model-catalog's.
    pub encryption_key: Secret,
    pub encryption_key_version: u32,
    /// Environment variables that may be upstream credentials: names that end in one of these.
    pub credential_variables: Vec<String>,
    /// Folder under which credential files may be; empty: none.
    pub credential_dir: PathBuf,
    /// Certificate authorities besides the machine's, PEM, for every upstream.
    pub ca_files: Vec<PathBuf>,
    /// Folder under which the CA files of single upstreams may be; empty: none.
    pub ca_dir: PathBuf,
    /// Upstreams on this machine may be called. Standalone and tests.
    pub allow_loopback_upstreams: bool,
    /// Largest request body, declared and after decompression.
    pub max_body_bytes: usize,
    /// Largest answer that is not streamed.
    pub max_answer_bytes: usize,
    /// Requests in progress; beyond it new ones get `overloaded`.
    pub max_requests: usize,
    /// How often a waiting stream gets a comment, so that load balancers do not cut it.
    pub ping_interval: HumanDuration,
    /// How long a request body may stand still.
    pub body_gap: HumanDuration,
    /// How long a whole request body may take.
    pub body_timeout: HumanDuration,
    /// Bytes of request bodies in memory, of all requests together; beyond it new ones get `overloaded`. A body that has
    /// to be rewritten is there twice.
    pub max_body_memory_bytes: usize,
    /// How long usage that was sent may stay uncommitted before it is asked for and sent again.
    pub resend_after: HumanDuration,
    /// When upstreams are avoided, tried again and checked.
    pub routing: RoutingSettings,
    /// How long open requests may go on once the process is told to stop.
    pub drain_timeout: HumanDuration,
}

/// See `docs/journal.md` for what each costs and covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JournalDurability {
    /// Written to the file: survives the end of the process.
    #[default]
    Process,
    /// Synced to the disk: survives the end of the machine, if its disk does.
    Host,
}

impl From<JournalDurability> for Durability {
    fn from(durability: JournalDurability) -> Self {
        match durability {
            JournalDurability::Process => Self::Process,
            JournalDurability::Host => Self::Host,
        }
    }
}

/// How long keys are believed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeySettings {
    /// Cut off from every other service, known keys work for so long; then they are refused. The age of a copy on disk
    /// counts.
    pub max_unconfirmed: HumanDuration,
}

impl Default for KeySettings {
    fn default() -> Self {
        Self { max_unconfirmed: HumanDuration::from_secs(15 * 60) }
    }
}

impl Validate for KeySettings {
    fn validate(&self, faults: &mut Faults) {
        if !(30..=24 * 60 * 60).contains(&self.max_unconfirmed.get().as_secs()) {
            faults.add("max_unconfirmed", "must be 30s to 24h");
        }
    }
}

/// The internal listeners that a new proxy loads its state from, and asks what was revoked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StateSources {
    /// auth, e.g. `http://auth:8181`.
    pub auth_url: String,
    pub key_management_url: String,
    pub model_catalog_url: String,
    /// What they accept; the same as their `internal.token`.
    pub internal_token: Secret,
}

impl StateSources {
    /// The whole URL of a bucket's values; `None` if its owner is not named.
    pub fn url(&self, bucket: Bucket) -> Option<String> {
        let base = match bucket {
            Bucket::Users | Bucket::Teams => &self.auth_url,
            Bucket::Keys | Bucket::Plans | Bucket::Subscriptions => &self.key_management_url,
            Bucket::Models => &self.model_catalog_url,
        };
        internal_url(base, &format!("state/{}", bucket.as_str()))
    }

    /// Where an owner says what was revoked; `None` if it is not named.
    pub fn revocations_url(&self, owner: OwnerName) -> Option<String> {
        let base = match owner {
            OwnerName::Auth => &self.auth_url,
            OwnerName::Keys => &self.key_management_url,
        };
        internal_url(base, "revocations")
    }
}

fn internal_url(base: &str, path: &str) -> Option<String> {
    let base = base.trim_end_matches('/');
    (!base.is_empty()).then(|| format!("{base}/internal/v1/{path}"))
}

impl Validate for StateSources {
    fn validate(&self, faults: &mut Faults) {
        let urls = [
            ("auth_url", &self.auth_url),
            ("key_management_url", &self.key_management_url),
            ("model_catalog_url", &self.model_catalog_url),
        ];
        for (name, url) in urls {
            if !url.is_empty() && !url.starts_with("http://") && !url.starts_with("https://") {
                faults.add(name, "must be an http:// or https:// URL");
            }
        }
        let any_url = urls.iter().any(|(_, url)| !url.is_empty());
        if any_url && self.internal_token.expose().len() < 32 {
            faults.add("internal_token", "must have at least 32 bytes");
        }
    }
}

impl Default for ProxySettings {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            journal_dir: PathBuf::new(),
            journal_durability: JournalDurability::default(),
            journal_retention: HumanDuration::from_secs(24 * 60 * 60),
            journal_retained_bytes: 1024 * 1024 * 1024,
            journal_low_water_bytes: 64 * 1024 * 1024,
            state_sources: StateSources::default(),
            snapshot_dir: PathBuf::new(),
            keys: KeySettings::default(),
            pepper: Secret::default(),
            pepper_version: 1,
            previous_pepper: Secret::default(),
            encryption_key: Secret::default(),
            encryption_key_version: 1,
            credential_variables: vec!["_API_KEY".to_owned(), "_UPSTREAM_KEY".to_owned()],
            credential_dir: PathBuf::new(),
            ca_files: Vec::new(),
            ca_dir: PathBuf::new(),
            allow_loopback_upstreams: false,
            max_body_bytes: 32 * 1024 * 1024,
            max_answer_bytes: 32 * 1024 * 1024,
            max_requests: 20_000,
            ping_interval: HumanDuration::from_secs(15),
            body_gap: HumanDuration::from_secs(30),
            body_timeout: HumanDuration::from_secs(600),
            max_body_memory_bytes: 512 * 1024 * 1024,
            resend_after: HumanDuration::from_secs(10),
            routing: RoutingSettings::default(),
            drain_timeout: HumanDuration::from_secs(600),
        }
    }
}

impl ProxySettings {
    /// Where the copy of the state is kept.
    pub fn snapshot_folder(&self) -> PathBuf {
        if self.snapshot_dir.as_os_str().is_empty() {
            self.journal_dir.join("state")
        } else {
            self.snapshot_dir.clone()
        }
    }
}

impl Validate for ProxySettings {
    fn validate(&self, faults: &mut Faults) {
        if self.journal_dir.as_os_str().is_empty() {
            faults.add("journal_dir", "name the folder of the usage journal");
        }
        if self.journal_low_water_bytes < 1024 * 1024 {
            faults.add("journal_low_water_bytes", "must be at least 1 MiB: open requests are settled in it");
        }
        if self.pepper.expose().len() < 32 {
            faults.add("pepper", "must have at least 32 bytes");
        }
        faults.section("state_sources", &self.state_sources);
        faults.section("keys", &self.keys);
        faults.section("routing", &self.routing);
        if self.previous_pepper.is_set() && self.previous_pepper.expose().len() < 32 {
            faults.add("previous_pepper", "must have at least 32 bytes");
        }
        if !(1_024..=1_073_741_824).contains(&self.max_body_bytes) {
            faults.add("max_body_bytes", "must be 1 KiB to 1 GiB");
        }
        for (name, value) in [("ping_interval", self.ping_interval), ("resend_after", self.resend_after)] {
            if value.get().is_zero() {
                faults.add(name, "must be more than 0");
            }
        }
        if self.max_body_memory_bytes < self.max_body_bytes {
            faults.add("max_body_memory_bytes", "must not be less than max_body_bytes");
        }
        if self.max_requests == 0 {
            faults.add("max_requests", "must be at least 1");
        }
    }
}
