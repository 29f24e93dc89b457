//! The service's own settings.

pub mod providers;

use maas_runtime::config::{Faults, HumanDuration, Secret, Validate};
use maas_types::Currency;
use serde::{Deserialize, Serialize};

use self::providers::ProviderSettings;
use crate::domain::{
    expiration::{SHORTEST, TokenLifetimes},
    federated::BootstrapAdmin,
    return_url::{InvalidReturnUrl, ReturnUrls, parse_listed},
    session::SessionLifetimes,
    signing,
};

/// The section `auth`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuthSettings {
    /// The URL that people use, for tokens (`iss`) and `GET /api/v1/config`. Not a setting of this section: the process
    /// fills in what `http.public_url` says.
    #[serde(skip)]
    pub public_url: String,
    /// An Ed25519 private key: PKCS#8 PEM, or the 32-byte seed in base64. Usually given as `signing_key_file`. The first
    /// key that signs access tokens, and what later ones are sealed under.
    pub signing_key: Secret,
    /// The one before the last change: opens what was sealed under it.
    pub previous_signing_key: Secret,
    /// The currency in which the platform shows money.
    pub currency: Currency,
    pub sessions: SessionSettings,
    pub tokens: TokenSettings,
    pub local: LocalProviderSettings,
    pub audit: AuditSettings,
    /// Where people sign in besides this service.
    pub providers: Vec<ProviderSettings>,
    /// Who of them may come in: the members of these groups; everybody when empty.
    pub allowed_groups: Vec<String>,
    /// Who of them is admin from the first sign-in on, for as long as they are named here.
    pub bootstrap_admins: Vec<BootstrapAdmin>,
    /// Where the browser may be sent after a sign-in, with all that lies below; `public_url` when empty.
    pub return_urls: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionSettings {
    /// A session that is not used for this long ends.
    pub idle: HumanDuration,
    /// No session lives longer.
    pub absolute: HumanDuration,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenSettings {
    /// The lifetime of an access token when nothing is asked for.
    pub default: HumanDuration,
    /// The longest lifetime that can be asked for.
    pub longest: HumanDuration,
    /// How long one key signs before the next one does.
    pub rotate_every: HumanDuration,
}

/// Sign-in with a password that this service keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LocalProviderSettings {
    pub enabled: bool,
}

/// The audit book.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuditSettings {
    /// How long entries are kept; 0 keeps them for ever. Whole days are dropped, by the day of storing.
    pub retention: HumanDuration,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            public_url: String::new(),
            signing_key: Secret::default(),
            previous_signing_key: Secret::default(),
            currency: Currency::USD,
            sessions: SessionSettings::default(),
            tokens: TokenSettings::default(),
            local: LocalProviderSettings::default(),
            audit: AuditSettings::default(),
            providers: Vec::new(),
            allowed_groups: Vec::new(),
            bootstrap_admins: Vec::new(),
            return_urls: Vec::new(),
        }
    }
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self { idle: HumanDuration::from_secs(30 * 60), absolute: HumanDuration::from_secs(12 * 3_600) }
    }
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            default: HumanDuration::from_secs(4 * 3_600),
            longest: HumanDuration::from_secs(24 * 3_600),
            rotate_every: HumanDuration::from_secs(30 * 24 * 3_600),
        }
    }
}

impl Default for LocalProviderSettings {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self { retention: HumanDuration::from_secs(400 * 24 * 3_600) }
    }
}

impl Validate for AuthSettings {
    fn validate(&self, faults: &mut Faults) {
        let expected = "must be an Ed25519 private key: PKCS#8 PEM, or its 32-byte seed in base64";
        if !self.signing_key.is_set() {
            faults.add("signing_key", "is required: set it or signing_key_file");
        } else if !signing::is_private_key(self.signing_key.expose()) {
            faults.add("signing_key", expected);
        }
        if self.previous_signing_key.is_set() && !signing::is_private_key(self.previous_signing_key.expose()) {
            faults.add("previous_signing_key", expected);
        }
        faults.section("sessions", &self.sessions);
        faults.section("tokens", &self.tokens);
        faults.section("audit", &self.audit);
        providers::validate_all(&self.providers, faults);
        for (index, admin) in self.bootstrap_admins.iter().enumerate() {
            faults.section(&format!("bootstrap_admins.{index}"), admin);
        }
        for (index, url) in self.return_urls.iter().enumerate() {
            if let Err(error) = parse_listed(url) {
                faults.add(&format!("return_urls.{index}"), error.to_string());
            }
        }
    }
}

impl Validate for SessionSettings {
    fn validate(&self, faults: &mut Faults) {
        // The last use is written once a minute; a shorter idle time would end sessions in use.
        if self.idle < HumanDuration::from_secs(120) {
            faults.add("idle", "must be at least 2m");
        }
        if self.absolute < self.idle {
            faults.add("absolute", "must be at least as long as idle");
        }
    }
}

impl Validate for TokenSettings {
    fn validate(&self, faults: &mut Faults) {
        if self.default.get() < SHORTEST {
            faults.add("default", "must be at least 10m");
        }
        // Each key is kept until its tokens have expired; many of them would make the key set long.
        if self.rotate_every < HumanDuration::from_secs(3_600) {
            faults.add("rotate_every", "must be at least 1h");
        }
        if self.longest < self.default {
            faults.add("longest", "must be at least as long as default");
        }
    }
}

impl Validate for AuditSettings {
    fn validate(&self, faults: &mut Faults) {
        // Days are dropped whole, and today is never one of them.
        if !self.retention.get().is_zero() && self.retention < HumanDuration::from_secs(24 * 3_600) {
            faults.add("retention", "must be 0 or at least 1d");
        }
    }
}

impl AuthSettings {
    pub(crate) fn session_lifetimes(&self) -> SessionLifetimes {
        SessionLifetimes { idle: self.sessions.idle.get(), absolute: self.sessions.absolute.get() }
    }

    pub(crate) fn token_lifetimes(&self) -> TokenLifetimes {
        TokenLifetimes { default: self.tokens.default.get(), longest: self.tokens.longest.get() }
    }

    /// The groups of which a person of this provider must have one; empty: everybody may come in.
    pub(crate) fn allowed_groups_of(&self, provider_id: &str) -> &[String] {
        let provider = self.providers.iter().find(|provider| provider.id == provider_id);
        let own = provider.map(|provider| provider.allowed_groups.as_slice()).filter(|groups| !groups.is_empty());
        own.unwrap_or(&self.allowed_groups)
    }

    pub(crate) fn parsed_return_urls(&self) -> Result<ReturnUrls, InvalidReturnUrl> {
        ReturnUrls::new(&self.public_url, &self.return_urls)
    }

    /// `iss` of our tokens.
    pub(crate) fn issuer(&self) -> String {
        if self.public_url.is_empty() { "maas".to_owned() } else { self.public_url.clone() }
    }
}
