//! The distributed way to run: five services, a second proxy, Postgres, NATS, and a simulated upstream behind them.

use std::path::Path;

use anyhow::ensure;
use base64::{Engine, engine::general_purpose::STANDARD};
use maas_testkit::upstream::Options;
use maas_testkit::{NatsServer, Postgres, SimulatedUpstream, TestDatabase, eventually};
use tempfile::TempDir;
use uuid::Uuid;

use crate::PATIENCE;
use crate::api::Api;
use crate::data_plane::DataPlane;
use crate::program::{Ports, Program, ProgramSpec, free_ports, run_to_end};

/// A proxy of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterProxy {
    First,
    Second,
}

pub struct Cluster {
    pub auth: Program,
    pub key_management: Program,
    pub model_catalog: Program,
    pub usage_ingest: Program,
    first_proxy: Program,
    second_proxy: Program,
    pub upstream: SimulatedUpstream,
    pub database: TestDatabase,
    pub postgres: Postgres,
    pub nats: NatsServer,
    admin_token: String,
    secrets: Secrets,
    // Last, so that it goes after the processes that write into it.
    folder: TempDir,
}

/// Made anew for each cluster.
struct Secrets {
    internal_token: String,
    signing_key: String,
    pepper: String,
    encryption_key: String,
    upstream_key: String,
}

/// The environment variable that the upstream's key is in.
const UPSTREAM_KEY_VARIABLE: &str = "SIM_API_KEY";
/// Nano-units per million tokens are what these decimal currency units per million tokens are stored as.
pub const PRICE_OF_INPUT: &str = "0.500000000";
pub const PRICE_OF_OUTPUT: &str = "1.500000000";

impl Cluster {
    /// On the test run's Postgres, in a database of its own.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_on(Postgres::shared().await?.clone()).await
    }

    /// `postgres` is one of the test's own if the test is going to stop it.
    pub async fn start_on(postgres: Postgres) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("maas-cluster-").tempdir()?;
        let secrets = Secrets::new();
        let mut options = Options::default();
        options.behaviour.required_api_key = Some(secrets.upstream_key.clone());
        let upstream = SimulatedUpstream::start_with_options(options)?;
        let (database, nats) = tokio::try_join!(postgres.database(), NatsServer::start())?;
        let catalog_file = write_catalog_file(folder.path(), &upstream)?;
        let set_up = SetUp { secrets: &secrets, database: database.url(), nats: nats.url(), folder: folder.path() };

        set_up.migrate(&catalog_file).await?;
        let auth = Program::start("auth", folder.path(), |ports| set_up.auth(ports, "serve")).await?;
        let auth_url = format!("http://127.0.0.1:{}", auth.ports().internal);
        let admin_token = set_up.bootstrap(auth.ports()).await?;
        let (key_management, model_catalog, usage_ingest) = tokio::try_join!(
            Program::start("key-management", folder.path(), |ports| set_up.key_management(ports, "serve", &auth_url)),
            Program::start("model-catalog", folder.path(), |ports| {
                set_up.model_catalog(ports, "serve", &auth_url, &catalog_file)
            }),
            Program::start("usage-ingest", folder.path(), |ports| set_up.usage_ingest(ports, "serve", &auth_url)),
        )?;
        let internal_url = |program: &Program| format!("http://127.0.0.1:{}", program.ports().internal);
        let (keys_url, catalog_url) = (internal_url(&key_management), internal_url(&model_catalog));
        let owners = [auth_url.as_str(), &keys_url, &catalog_url];
        let (first_proxy, second_proxy) = tokio::try_join!(
            Program::start("proxy-1", folder.path(), |ports| set_up.proxy(ports, "journal-1", owners)),
            Program::start("proxy-2", folder.path(), |ports| set_up.proxy(ports, "journal-2", owners)),
        )?;
        let cluster = Self {
            auth,
            key_management,
            model_catalog,
            usage_ingest,
            first_proxy,
            second_proxy,
            upstream,
            database,
            postgres,
            nats,
            admin_token,
            secrets,
            folder,
        };
        cluster.wait_for_models().await;
        Ok(cluster)
    }

    /// The catalogue reads the upstream's list beside its start, and the proxies hear of it over the bus.
    async fn wait_for_models(&self) {
        let api = self.api();
        let (key_id, secret) = api.create_key("set-up").await;
        for proxy in [ClusterProxy::First, ClusterProxy::Second] {
            let client = self.data_plane(proxy, &secret);
            eventually(PATIENCE, || async {
                client.model_names().await.contains(&"sim-chat".to_owned()).then_some(())
            })
            .await;
        }
        api.revoke_key(&key_id).await;
    }

    /// The control plane as the first admin; each path at the service that owns it.
    pub fn api(&self) -> Api {
        let routes = vec![
            ("/api/v1/openapi/key-management", self.key_management.url()),
            ("/api/v1/openapi/model-catalog", self.model_catalog.url()),
            ("/api/v1/openapi/usage-ingest", self.usage_ingest.url()),
            ("/api/v1/openapi/proxy", self.first_proxy.url()),
            ("/api/v1/keys", self.key_management.url()),
            ("/api/v1/models", self.model_catalog.url()),
            ("/api/v1/upstreams", self.model_catalog.url()),
            ("/api/v1/prices", self.model_catalog.url()),
            ("/api/v1/sources", self.model_catalog.url()),
            ("/api/v1/usage", self.usage_ingest.url()),
            ("/", self.auth.url()),
        ];
        Api::with_routes(routes, &self.admin_token)
    }

    pub fn data_plane(&self, proxy: ClusterProxy, key: &str) -> DataPlane {
        DataPlane::new(&self.proxy(proxy).url(), key)
    }

    pub fn proxy(&self, proxy: ClusterProxy) -> &Program {
        match proxy {
            ClusterProxy::First => &self.first_proxy,
            ClusterProxy::Second => &self.second_proxy,
        }
    }

    pub fn proxy_mut(&mut self, proxy: ClusterProxy) -> &mut Program {
        match proxy {
            ClusterProxy::First => &mut self.first_proxy,
            ClusterProxy::Second => &mut self.second_proxy,
        }
    }

    pub fn programs(&self) -> [&Program; 6] {
        [
            &self.auth,
            &self.key_management,
            &self.model_catalog,
            &self.usage_ingest,
            &self.first_proxy,
            &self.second_proxy,
        ]
    }

    /// SIGTERM to all, the proxies first. Each program's name and exit code.
    pub async fn stop(&mut self) -> anyhow::Result<Vec<(String, Option<i32>)>> {
        let mut ended = Vec::new();
        for program in [
            &mut self.first_proxy,
            &mut self.second_proxy,
            &mut self.usage_ingest,
            &mut self.model_catalog,
            &mut self.key_management,
            &mut self.auth,
        ] {
            ended.push((program.name.clone(), program.stop(PATIENCE).await?));
        }
        Ok(ended)
    }

    /// What the upstream asks of the platform.
    pub fn upstream_key(&self) -> &str {
        &self.secrets.upstream_key
    }

    /// Logs, journals and everything else that the processes write outside the database.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Secrets {
    fn new() -> Self {
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
struct SetUp<'a> {
    secrets: &'a Secrets,
    database: &'a str,
    nats: String,
    folder: &'a Path,
}

impl SetUp<'_> {
    /// Before any service starts: schemas and streams.
    async fn migrate(&self, catalog_file: &str) -> anyhow::Result<()> {
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

    async fn bootstrap(&self, ports: Ports) -> anyhow::Result<String> {
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

    fn auth(&self, ports: Ports, command: &str) -> ProgramSpec {
        self.control("maas-auth", ports, command).set("MAAS__AUTH__SIGNING_KEY", &self.secrets.signing_key)
    }

    fn key_management(&self, ports: Ports, command: &str, auth_url: &str) -> ProgramSpec {
        self.control("maas-key-management", ports, command)
            .set("MAAS__SERVICES__AUTH_INTERNAL_URL", auth_url)
            .set("MAAS__KEYS__PEPPER", &self.secrets.pepper)
    }

    fn model_catalog(&self, ports: Ports, command: &str, auth_url: &str, catalog_file: &str) -> ProgramSpec {
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

    /// `owners`: the internal addresses of auth, key-management and model-catalog.
    fn proxy(&self, ports: Ports, journal: &str, owners: [&str; 3]) -> ProgramSpec {
        let [auth, key_management, model_catalog] = owners;
        self.common("maas-proxy", ports, "serve")
            .set("MAAS__PROXY__STATE_SOURCES__AUTH_URL", auth)
            .set("MAAS__PROXY__STATE_SOURCES__KEY_MANAGEMENT_URL", key_management)
            .set("MAAS__PROXY__STATE_SOURCES__MODEL_CATALOG_URL", model_catalog)
            .set("MAAS__PROXY__STATE_SOURCES__INTERNAL_TOKEN", &self.secrets.internal_token)
            .set("MAAS__PROXY__JOURNAL_DIR", self.folder.join(journal).display().to_string())
            .set("MAAS__PROXY__PEPPER", &self.secrets.pepper)
            .set("MAAS__PROXY__ENCRYPTION_KEY", &self.secrets.encryption_key)
            .set("MAAS__PROXY__ALLOW_LOOPBACK_UPSTREAMS", "true")
            .set("MAAS__PROXY__DRAIN_TIMEOUT", "5s")
            .set(UPSTREAM_KEY_VARIABLE, &self.secrets.upstream_key)
    }

    fn common(&self, program: &str, ports: Ports, command: &str) -> ProgramSpec {
        ProgramSpec::new(program)
            .argument(command)
            .set("MAAS__HTTP__PORT", ports.http.to_string())
            .set("MAAS__HTTP__WORKERS", "1")
            .set("MAAS__OPERATIONS__PORT", ports.operations.to_string())
            .set("MAAS__NATS__URL", &self.nats)
    }

    fn control(&self, program: &str, ports: Ports, command: &str) -> ProgramSpec {
        self.common(program, ports, command)
            .set("MAAS__DATABASE__URL", self.database)
            .set("MAAS__INTERNAL__PORT", ports.internal.to_string())
            .set("MAAS__INTERNAL__TOKEN", &self.secrets.internal_token)
    }
}

/// Lists of structs come from a file.
fn write_catalog_file(folder: &Path, upstream: &SimulatedUpstream) -> anyhow::Result<String> {
    let file = folder.join("model-catalog.toml");
    let text = format!(
        "[[catalog.upstreams]]\nname = \"sim\"\nurl = \"{}\"\ncredential_variable = \"{UPSTREAM_KEY_VARIABLE}\"\n\
         price = {{ input = \"{PRICE_OF_INPUT}\", output = \"{PRICE_OF_OUTPUT}\" }}\n",
        upstream.base_url()
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
