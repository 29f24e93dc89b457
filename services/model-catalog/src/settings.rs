//! The section `catalog` of the configuration.

use std::{collections::HashSet, path::PathBuf, time::Duration};

use maas_http::AddressGuard;
use maas_keys::{SealingError, SealingKeys};
use maas_runtime::config::{Faults, HumanDuration, Secret, Validate};
use maas_types::Currency;
use serde::{Deserialize, Serialize};

use crate::domain::{
    credential::check_variable,
    instance::{check_instance, default_instance},
    models_file::FileFormat,
    price::PriceInput,
    source::{NewModels, SourcePrice, SourceSettings},
    text::is_plain_name,
    upstream::parse_base_url,
};

/// The name of the source that reads `models_file`.
pub const FILE_SOURCE: &str = "models-file";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ModelCatalogSettings {
    /// The URL under which clients reach the platform. Not a setting of this section: the process fills in what
    /// `http.public_url` says.
    #[serde(skip)]
    pub public_url: String,
    /// The currency of all prices.
    pub currency: String,
    /// What stored upstream secrets are sealed with: 64 hexadecimal digits. The proxies need the same. Without it,
    /// credentials can only be references.
    pub encryption_key: Secret,
    /// The version of `encryption_key`; grows by one with each new key.
    pub encryption_key_version: u32,
    /// The key of version `encryption_key_version` - 1, while secrets under it are in use.
    pub previous_encryption_key: Secret,
    /// A TOML or YAML file with models, read at start and again when it changes.
    pub models_file: Option<PathBuf>,
    /// Servers whose `/models` lists are taken over.
    pub upstreams: Vec<ListUpstream>,
    /// How often the lists are read.
    pub sync_interval: HumanDuration,
    /// Allows upstreams on this machine.
    pub allow_loopback_upstreams: bool,
    /// The price of models that a source offers without one.
    pub default_price: Option<SourcePrice>,
}

/// An OpenAI-compatible server; each model it lists becomes one of ours.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListUpstream {
    /// Lower-case letters, digits, `-`, `_`, `.`; also what models are prefixed with when their name is taken.
    pub name: String,
    /// Up to and with the version, e.g. `http://host:8000/v1`.
    pub url: String,
    /// The environment variable that holds the bearer token, here and in the proxies.
    pub credential_variable: Option<String>,
    /// For its models that have no price.
    pub price: Option<SourcePrice>,
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    pub new_models: NewModels,
    /// `namespace/service`: the path under which the server's own model names can be called. `llm/<name>` when left
    /// out.
    pub instance: Option<String>,
}

impl Default for ModelCatalogSettings {
    fn default() -> Self {
        Self {
            public_url: String::new(),
            currency: "USD".to_owned(),
            encryption_key: Secret::default(),
            encryption_key_version: 1,
            previous_encryption_key: Secret::default(),
            models_file: None,
            upstreams: Vec::new(),
            sync_interval: HumanDuration::from_secs(60),
            allow_loopback_upstreams: false,
            default_price: None,
        }
    }
}

impl ListUpstream {
    pub(crate) fn source_settings(&self, default_price: Option<SourcePrice>) -> SourceSettings {
        SourceSettings {
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            new_models: self.new_models,
            price: self.price.or(default_price),
        }
    }

    pub(crate) fn instance(&self) -> String {
        self.instance.clone().unwrap_or_else(|| default_instance(&self.name))
    }

    fn validate(&self, at: &str, faults: &mut Faults) {
        if !is_plain_name(&self.name) || self.name == FILE_SOURCE {
            faults.add(&format!("{at}.name"), "must be 1 to 63 lower-case letters, digits, -, _ or .");
        }
        if let Err(message) = parse_base_url(&self.url) {
            faults.add(&format!("{at}.url"), message);
        }
        if let Some(variable) = &self.credential_variable {
            let mut found = Vec::new();
            check_variable("", variable, &mut found);
            for fault in found {
                faults.add(&format!("{at}.credential_variable"), fault.detail);
            }
        }
        if let Some(Err(message)) = self.instance.as_deref().map(check_instance) {
            faults.add(&format!("{at}.instance"), message);
        }
        check_price(&format!("{at}.price"), self.price, faults);
    }
}

impl ModelCatalogSettings {
    pub(crate) fn guard(&self) -> AddressGuard {
        if self.allow_loopback_upstreams { AddressGuard::with_loopback() } else { AddressGuard::default() }
    }

    pub(crate) fn parsed_currency(&self) -> Option<Currency> {
        self.currency.parse().ok()
    }

    pub(crate) fn sealing_keys(&self) -> Result<Option<SealingKeys>, SealingError> {
        if !self.encryption_key.is_set() {
            return Ok(None);
        }
        let mut keys = vec![(self.encryption_key_version, self.encryption_key.expose())];
        if self.previous_encryption_key.is_set() {
            keys.push((self.encryption_key_version.saturating_sub(1), self.previous_encryption_key.expose()));
        }
        SealingKeys::from_hex(&keys).map(Some)
    }
}

impl Validate for ModelCatalogSettings {
    fn validate(&self, faults: &mut Faults) {
        if self.parsed_currency().is_none() {
            faults.add("currency", "must be three upper-case letters such as USD");
        }
        if self.encryption_key_version == 0 {
            faults.add("encryption_key_version", "must be at least 1");
        }
        if self.previous_encryption_key.is_set() && (self.encryption_key_version < 2 || !self.encryption_key.is_set()) {
            let message =
                "belongs to encryption_key_version - 1, so encryption_key must be set and its version at least 2";
            faults.add("previous_encryption_key", message);
        }
        if let Err(error) = self.sealing_keys() {
            faults.add("encryption_key", error.to_string());
        }
        if self.models_file.as_deref().is_some_and(|path| FileFormat::of_path(path).is_none()) {
            faults.add("models_file", "the name must end in .toml, .yaml or .yml");
        }
        if self.sync_interval.get() < Duration::from_secs(1) {
            faults.add("sync_interval", "must be at least 1s");
        }
        check_price("default_price", self.default_price, faults);
        let mut names = HashSet::new();
        for (index, upstream) in self.upstreams.iter().enumerate() {
            upstream.validate(&format!("upstreams.{index}"), faults);
            if !names.insert(upstream.name.as_str()) {
                faults.add(&format!("upstreams.{index}.name"), "is used twice");
            }
        }
    }
}

fn check_price(name: &str, price: Option<SourcePrice>, faults: &mut Faults) {
    let Some(price) = price else { return };
    let mut found = Vec::new();
    PriceInput::of_tokens(price.input, price.output).rates("", &mut found);
    for fault in found {
        faults.add(&format!("{name}{}", fault.pointer.replace('/', ".")), fault.detail);
    }
}

#[cfg(test)]
mod tests {
    use maas_types::Nanos;

    use super::*;

    fn is_valid(settings: &ModelCatalogSettings) -> bool {
        let mut faults = Faults::default();
        settings.validate(&mut faults);
        faults.is_empty()
    }

    fn with_upstreams(upstreams: Vec<ListUpstream>) -> ModelCatalogSettings {
        ModelCatalogSettings { upstreams, ..ModelCatalogSettings::default() }
    }

    #[test]
    fn wrong_settings_are_refused() {
        let upstream =
            |name: &str, url: &str| ListUpstream { name: name.to_owned(), url: url.to_owned(), ..Default::default() };
        assert!(is_valid(&ModelCatalogSettings::default()));
        assert!(is_valid(&with_upstreams(vec![upstream("vllm", "http://h:8000/v1")])));
        assert!(!is_valid(&with_upstreams(vec![upstream("a b", "http://h")])));
        assert!(!is_valid(&with_upstreams(vec![upstream("a", "h:8000")])));
        assert!(!is_valid(&with_upstreams(vec![upstream("a", "http://h"), upstream("a", "http://i")])));
        let reserved = ListUpstream { instance: Some("v1/a".to_owned()), ..upstream("a", "http://h") };
        assert!(!is_valid(&with_upstreams(vec![reserved])));
        let negative = SourcePrice { input: Nanos(-1), output: Nanos(0) };
        assert!(!is_valid(&ModelCatalogSettings { default_price: Some(negative), ..Default::default() }));
        assert!(!is_valid(&ModelCatalogSettings { encryption_key: Secret::new("short"), ..Default::default() }));
    }
}
