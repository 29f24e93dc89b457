//! The service's own settings.

use maas_runtime::config::{Faults, HumanDuration, Secret, Validate};
use maas_types::Currency;
use serde::{Deserialize, Serialize};

use crate::domain::{
    expiration::{SHORTEST, TokenLifetimes},
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
    /// The Ed25519 private key that signs access tokens: PKCS#8 PEM, or the 32-byte seed in base64. Usually given as
    /// `signing_key_file`.
    pub signing_key: Secret,
    /// The signing key before the last change; its tokens stay good until they expire.
    pub previous_signing_key: Secret,
    /// The currency in which the platform shows money.
    pub currency: Currency,
    pub sessions: SessionSettings,
    pub tokens: TokenSettings,
    pub local: LocalProviderSettings,
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
}

/// Sign-in with a password that this service keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LocalProviderSettings {
    pub enabled: bool,
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
        Self { default: HumanDuration::from_secs(4 * 3_600), longest: HumanDuration::from_secs(24 * 3_600) }
    }
}

impl Default for LocalProviderSettings {
    fn default() -> Self {
        Self { enabled: true }
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
        if self.longest < self.default {
            faults.add("longest", "must be at least as long as default");
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

    /// `iss` of our tokens.
    pub(crate) fn issuer(&self) -> String {
        if self.public_url.is_empty() { "maas".to_owned() } else { self.public_url.clone() }
    }
}
