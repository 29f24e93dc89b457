//! What the programs of a cluster are started with.

use std::path::Path;

use anyhow::ensure;
use base64::{Engine, engine::general_purpose::STANDARD};
use uuid::Uuid;

use super::ClusterOptions;
use crate::PATIENCE;
use crate::clocks::{ClockOf, Clocks};
use crate::faults::{Link, Links};
use crate::program::{Ports, ProgramSpec, free_ports, run_to_end};

/// The environment variable that the upstream's key is in.
const UPSTREAM_KEY_VARIABLE: &str = "SIM_API_KEY";
/// The check of a proxy whose clock is off usage-ingest's.
const CLOCK_CHECK: &str = "proxy.clock";
/// Nano-units per million tokens are what these decimal currency units per million tokens are stored as.
pub const PRICE_OF_INPUT: &str = "0.500000000";
pub const PRICE_OF_OUTPUT: &str = "1.500000000";

/// Made anew for each cluster.
pub(super) struct Secrets {
    internal_token: String,
    signing_key: String,
    pepper: String,
    encryption_key: String,
    pub(super) upstream_key: String,
}

impl Secrets {
    pub(super) fn new() -> Self {
        Self {
            internal_token: random_hex(),
            signing_key: STANDARD.encode(random_bytes()),
            pepper: random_hex(),
            encryption_key: random_hex(),
            upstream_key: format!("upstream-{}", random_hex()),
        }
    }
}

/// What the settings of all programs are made of.
pub(super) struct SetUp<'a> {
    pub(super) secrets: &'a Secrets,
    pub(super) roads: Roads<'a>,
    pub(super) clocks: Option<&'a Clocks>,
    pub(super) folder: &'a Path,
    pub(super) cluster: &'a ClusterOptions,
}

/// The addresses of the servers, straight or by way of the links.
pub(super) struct Roads<'a> {
    pub(super) links: Option<&'a Links>,
    pub(super) database: &'a str,
    pub(super) nats: String,
}

impl Roads<'_> {
    pub(super) fn through(&self, link: Link, url: &str) -> anyhow::Result<String> {
        self.links.map_or_else(|| Ok(url.to_owned()), |links| links.through(link, url))
    }
}

impl SetUp<'_> {
    /// Before any service starts: schemas and streams.
    pub(super) async fn migrate(&self, catalog_file: &str) -> anyhow::Result<()> {
        let ports = free_ports()?;
        let nowhere = "http://127.0.0.1:9";
        let specs = [
            self.auth(ports, "migrate"),
            self.key_management(ports, "migrate", nowhere),
            self.model_catalog(ports, "migrate", nowhere, catalog_file),
            self.usage_ingest(ports, "migrate", nowhere),
        ];
        for spec in specs {
            run_well(&spec).await?;
        }
        Ok(())
    }

    pub(super) async fn bootstrap(&self, ports: Ports) -> anyhow::Result<String> {
        #[derive(serde::Deserialize)]
        struct Written {
            admin_token: String,
        }
        let file = self.folder.join("bootstrap.json");
        let spec = self.auth(ports, "bootstrap").argument("--file").argument(file.display().to_string());
        run_well(&spec).await?;
        let written: Written = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
        Ok(written.admin_token)
    }

    pub(super) fn auth(&self, ports: Ports, command: &str) -> ProgramSpec {
        self.control("maas-auth", ports, command).set("MAAS__AUTH__SIGNING_KEY", &self.secrets.signing_key)
    }

    pub(super) fn key_management(&self, ports: Ports, command: &str, auth_url: &str) -> ProgramSpec {
        self.control("maas-key-management", ports, command)
            .set("MAAS__SERVICES__AUTH_INTERNAL_URL", auth_url)
            .set("MAAS__KEYS__PEPPER", &self.secrets.pepper)
    }

    pub(super) fn model_catalog(&self, ports: Ports, command: &str, auth_url: &str, catalog_file: &str) -> ProgramSpec {
        self.control("maas-model-catalog", ports, command)
            .set("MAAS_CONFIG", catalog_file)
            .set("MAAS__SERVICES__AUTH_INTERNAL_URL", auth_url)
            .set("MAAS__CATALOG__ENCRYPTION_KEY", &self.secrets.encryption_key)
            .set("MAAS__CATALOG__ALLOW_LOOPBACK_UPSTREAMS", "true")
            .set(UPSTREAM_KEY_VARIABLE, &self.secrets.upstream_key)
    }

    fn usage_ingest(&self, ports: Ports, command: &str, auth_url: &str) -> ProgramSpec {
        self.control("maas-usage-ingest", ports, command).set("MAAS__SERVICES__AUTH_INTERNAL_URL", auth_url)
    }

    pub(super) fn first_usage_ingest(&self, ports: Ports, auth_url: &str) -> ProgramSpec {
        let spec = self.usage_ingest(ports, "serve", auth_url);
        let spec = self.clocked(spec, ClockOf::FirstIngest);
        self.linked(spec, Link::FirstIngestNats, Some(Link::FirstIngestPostgres))
    }

    pub(super) fn second_usage_ingest(&self, ports: Ports, auth_url: &str) -> ProgramSpec {
        let spec = self.usage_ingest(ports, "serve", auth_url);
        let spec = self.clocked(spec, ClockOf::SecondIngest);
        self.linked(spec, Link::SecondIngestNats, Some(Link::SecondIngestPostgres))
    }

    pub(super) fn first_proxy(&self, ports: Ports, owners: [&str; 3]) -> ProgramSpec {
        let spec = self.clocked(self.proxy(ports, "journal-1", owners), ClockOf::FirstProxy);
        self.linked(spec, Link::FirstProxyNats, None)
    }

    pub(super) fn second_proxy(&self, ports: Ports, owners: [&str; 3]) -> ProgramSpec {
        let spec = with_settings(self.proxy(ports, "journal-2", owners), &self.cluster.second_proxy_settings);
        let spec = self.clocked(spec, ClockOf::SecondProxy);
        self.linked(spec, Link::SecondProxyNats, None)
    }

    /// The program with a clock that can be set. With a wrong one a proxy works and is not ready.
    fn clocked(&self, spec: ProgramSpec, clock: ClockOf) -> ProgramSpec {
        let Some(clocks) = self.clocks else { return spec };
        let spec = spec.forgive(CLOCK_CHECK);
        clocks.environment(clock).into_iter().fold(spec, |spec, (name, value)| spec.set(name, value))
    }

    /// The program on its own way to the servers.
    fn linked(&self, spec: ProgramSpec, nats: Link, postgres: Option<Link>) -> ProgramSpec {
        let through = |link, url| self.roads.through(link, url).expect("the URL of a server");
        let spec = spec.set("MAAS__NATS__URL", through(nats, &self.roads.nats));
        match postgres {
            Some(link) => spec.set("MAAS__DATABASE__URL", through(link, self.roads.database)),
            None => spec,
        }
    }

    /// `owners`: the internal addresses of auth, key-management and model-catalog.
    fn proxy(&self, ports: Ports, journal: &str, owners: [&str; 3]) -> ProgramSpec {
        let [auth, key_management, model_catalog] = owners;
        let spec = self
            .common("maas-proxy", ports, "serve")
            .set("MAAS__PROXY__STATE_SOURCES__AUTH_URL", auth)
            .set("MAAS__PROXY__STATE_SOURCES__KEY_MANAGEMENT_URL", key_management)
            .set("MAAS__PROXY__STATE_SOURCES__MODEL_CATALOG_URL", model_catalog)
            .set("MAAS__PROXY__STATE_SOURCES__INTERNAL_TOKEN", &self.secrets.internal_token)
            .set("MAAS__PROXY__JOURNAL_DIR", self.folder.join(journal).display().to_string())
            .set("MAAS__PROXY__PEPPER", &self.secrets.pepper)
            .set("MAAS__PROXY__ENCRYPTION_KEY", &self.secrets.encryption_key)
            .set("MAAS__PROXY__ALLOW_LOOPBACK_UPSTREAMS", "true")
            .set("MAAS__PROXY__DRAIN_TIMEOUT", "5s")
            .set(UPSTREAM_KEY_VARIABLE, &self.secrets.upstream_key);
        with_settings(spec, &self.cluster.proxy_settings)
    }

    fn common(&self, program: &str, ports: Ports, command: &str) -> ProgramSpec {
        ProgramSpec::new(program)
            .argument(command)
            .set("MAAS__HTTP__PORT", ports.http.to_string())
            .set("MAAS__HTTP__WORKERS", "1")
            .set("MAAS__OPERATIONS__PORT", ports.operations.to_string())
            .set("MAAS__NATS__URL", &self.roads.nats)
    }

    fn control(&self, program: &str, ports: Ports, command: &str) -> ProgramSpec {
        self.common(program, ports, command)
            .set("MAAS__DATABASE__URL", self.roads.database)
            .set("MAAS__INTERNAL__PORT", ports.internal.to_string())
            .set("MAAS__INTERNAL__TOKEN", &self.secrets.internal_token)
    }
}

fn with_settings(spec: ProgramSpec, settings: &[(String, String)]) -> ProgramSpec {
    settings.iter().fold(spec, |spec, (name, value)| spec.set(name, value))
}

/// Lists of structs come from a file.
pub(super) fn write_catalog_file(folder: &Path, upstream_url: &str) -> anyhow::Result<String> {
    let file = folder.join("model-catalog.toml");
    let text = format!(
        "[[catalog.upstreams]]\nname = \"sim\"\nurl = \"{upstream_url}\"\ncredential_variable = \"{UPSTREAM_KEY_VARIABLE}\"\n\
         price = {{ input = \"{PRICE_OF_INPUT}\", output = \"{PRICE_OF_OUTPUT}\" }}\n"
    );
    std::fs::write(&file, text)?;
    Ok(file.display().to_string())
}

async fn run_well(spec: &ProgramSpec) -> anyhow::Result<()> {
    let finished = run_to_end(spec, PATIENCE).await?;
    let what =
        || format!("{} {}: {:?}\n{}", spec.program, spec.arguments.join(" "), finished.exit_code, finished.output);
    ensure!(finished.exit_code == Some(0), "{}", what());
    Ok(())
}

fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    bytes[16..].copy_from_slice(Uuid::new_v4().as_bytes());
    bytes
}

fn random_hex() -> String {
    random_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}
