//! The configuration of a standalone process: that of every service, with what it can provide itself filled in.

use std::{collections::BTreeMap, path::Path};

use maas_auth::AuthSettings;
use maas_key_management::KeyManagementSettings;
use maas_model_catalog::ModelCatalogSettings;
use maas_proxy::ProxySettings;
use maas_runtime::{
    config::{
        self, Faults, Sources, Validate,
        sections::{HttpSection, LogFormat, LogSection, OpsSection, TelemetrySection},
    },
    exit::StartError,
};
use maas_usage_ingest::UsageIngestSettings;
use serde::{Deserialize, Serialize};

use crate::{command_line::StandaloneArguments, data_folder::DataFolder, upstreams};

#[derive(Debug, Serialize, Deserialize)]
pub struct Configuration {
    pub http: HttpSection,
    pub operations: OpsSection,
    pub telemetry: TelemetrySection,
    pub auth: AuthSettings,
    pub keys: KeyManagementSettings,
    pub catalog: ModelCatalogSettings,
    pub usage: UsageIngestSettings,
    pub proxy: ProxySettings,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            http: HttpSection::with_port(8080),
            operations: OpsSection::with_port(8280),
            // Somebody is looking at the terminal, and wants to see the quick start there.
            telemetry: TelemetrySection { log: LogSection { format: LogFormat::Pretty, level: "warn".to_owned() } },
            auth: AuthSettings::default(),
            keys: KeyManagementSettings::default(),
            // Model servers on the same machine are the normal case here.
            catalog: ModelCatalogSettings { allow_loopback_upstreams: true, ..ModelCatalogSettings::default() },
            usage: UsageIngestSettings::default(),
            proxy: ProxySettings { allow_loopback_upstreams: true, ..ProxySettings::default() },
        }
    }
}

impl Validate for Configuration {
    fn validate(&self, faults: &mut Faults) {
        faults.section("http", &self.http);
        faults.section("operations", &self.operations);
        faults.section("telemetry", &self.telemetry);
        faults.section("auth", &self.auth);
        faults.section("keys", &self.keys);
        faults.section("catalog", &self.catalog);
        faults.section("usage", &self.usage);
        faults.section("proxy", &self.proxy);
    }
}

/// Loads and checks everything; the data folder is there with its secrets.
pub fn load(arguments: &StandaloneArguments, folder: &DataFolder) -> Result<Configuration, StartError> {
    let mut environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let mut provide = |name: &str, path: &Path| {
        let given = environment.contains_key(name) || environment.contains_key(&format!("{name}_FILE"));
        if !given {
            let suffix = if path.is_dir() { "" } else { "_FILE" };
            environment.insert(format!("{name}{suffix}"), path.display().to_string());
        }
    };
    provide("MAAS__AUTH__SIGNING_KEY", &folder.secret_file("signing_key.pem"));
    provide("MAAS__KEYS__PEPPER", &folder.secret_file("pepper"));
    provide("MAAS__PROXY__PEPPER", &folder.secret_file("pepper"));
    provide("MAAS__CATALOG__ENCRYPTION_KEY", &folder.secret_file("encryption_key"));
    provide("MAAS__PROXY__ENCRYPTION_KEY", &folder.secret_file("encryption_key"));
    provide("MAAS__PROXY__JOURNAL_DIR", &folder.journal());
    if let Some(port) = arguments.port {
        environment.insert("MAAS__HTTP__PORT".to_owned(), port.to_string());
    }
    if let Some(port) = arguments.ops_port {
        environment.insert("MAAS__OPERATIONS__PORT".to_owned(), port.to_string());
    }

    let named_upstreams = upstreams::from_environment(&environment);
    let mut configuration: Configuration = config::load(&Sources::from_environment(environment))?;
    configuration.catalog.upstreams.extend(named_upstreams?);
    let public_url = configuration.http.public_url();
    configuration.auth.public_url.clone_from(&public_url);
    configuration.catalog.public_url = public_url;
    configuration.proxy.trusted_proxies.clone_from(&configuration.http.trusted_proxies);
    Ok(configuration)
}

/// Checks only; for `maas check-config`.
pub fn check(arguments: &StandaloneArguments) -> Result<(), StartError> {
    let folder = DataFolder::open(&arguments.data_dir)?;
    load(arguments, &folder).map(|_| ())
}
