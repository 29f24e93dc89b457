//! The distributed way to run: five services, a second proxy, Postgres, NATS, and a simulated upstream behind them.

mod set_up;

use std::path::Path;

use maas_testkit::upstream::Options;
use maas_testkit::{NatsServer, Postgres, SimulatedUpstream, TestDatabase, eventually};
use tempfile::TempDir;

use crate::PATIENCE;
use crate::api::Api;
use crate::clocks::Clocks;
use crate::data_plane::DataPlane;
use crate::faults::{Link, Links};
use crate::program::Program;
pub use set_up::{PRICE_OF_INPUT, PRICE_OF_OUTPUT};
use set_up::{Roads, Secrets, SetUp, write_catalog_file};

/// A proxy of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterProxy {
    First,
    Second,
}

/// What a cluster is made of besides its one of everything.
#[derive(Debug, Default)]
pub struct ClusterOptions {
    /// One of the test's own if the test is going to stop it; else the test run's.
    pub postgres: Option<Postgres>,
    /// A second replica of usage-ingest.
    pub second_usage_ingest: bool,
    /// Fault proxies between the processes, see [`Cluster::links`].
    pub links: bool,
    /// Clocks of proxies and ingests that can be set, see [`Cluster::clocks`].
    pub clocks: bool,
    /// Further settings of both proxies, such as `MAAS__PROXY__RESEND_AFTER`.
    pub proxy_settings: Vec<(String, String)>,
    /// Further settings of the second one only.
    pub second_proxy_settings: Vec<(String, String)>,
    /// The simulated upstream counts each request apart, see [`maas_testkit::upstream::Counters::served`].
    pub keep_served: bool,
}

pub struct Cluster {
    pub auth: Program,
    pub key_management: Program,
    pub model_catalog: Program,
    pub usage_ingest: Program,
    /// Only with [`ClusterOptions::second_usage_ingest`].
    pub second_usage_ingest: Option<Program>,
    /// Only with [`ClusterOptions::links`].
    pub links: Option<Links>,
    /// Only with [`ClusterOptions::clocks`].
    pub clocks: Option<Clocks>,
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

impl Cluster {
    /// On the test run's Postgres, in a database of its own.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_on(Postgres::shared().await?.clone()).await
    }

    /// `postgres` is one of the test's own if the test is going to stop it.
    pub async fn start_on(postgres: Postgres) -> anyhow::Result<Self> {
        Self::start_with(ClusterOptions { postgres: Some(postgres), ..ClusterOptions::default() }).await
    }

    pub async fn start_with(cluster: ClusterOptions) -> anyhow::Result<Self> {
        let postgres = match cluster.postgres.clone() {
            Some(postgres) => postgres,
            None => Postgres::shared().await?.clone(),
        };
        let folder = tempfile::Builder::new().prefix("maas-cluster-").tempdir()?;
        let secrets = Secrets::new();
        let mut options = Options { keep_served: cluster.keep_served, ..Options::default() };
        options.behaviour.required_api_key = Some(secrets.upstream_key.clone());
        let upstream = SimulatedUpstream::start_with_options(options)?;
        let (database, nats) = tokio::try_join!(postgres.database(), NatsServer::start())?;
        let links = match cluster.links {
            true => Some(Links::start(upstream.address(), nats.port(), postgres.address()).await?),
            false => None,
        };
        let clocks = if cluster.clocks { Some(Clocks::start(folder.path())?) } else { None };
        let roads = Roads { links: links.as_ref(), database: database.url(), nats: nats.url() };
        let catalog_file = write_catalog_file(folder.path(), &roads.through(Link::Upstream, &upstream.base_url())?)?;
        let set_up =
            SetUp { secrets: &secrets, roads, clocks: clocks.as_ref(), folder: folder.path(), cluster: &cluster };

        set_up.migrate(&catalog_file).await?;
        let auth = Program::start("auth", folder.path(), |ports| set_up.auth(ports, "serve")).await?;
        let auth_url = format!("http://127.0.0.1:{}", auth.ports().internal);
        let admin_token = set_up.bootstrap(auth.ports()).await?;
        let (key_management, model_catalog, usage_ingest) = tokio::try_join!(
            Program::start("key-management", folder.path(), |ports| set_up.key_management(ports, "serve", &auth_url)),
            Program::start("model-catalog", folder.path(), |ports| {
                set_up.model_catalog(ports, "serve", &auth_url, &catalog_file)
            }),
            Program::start("usage-ingest", folder.path(), |ports| set_up.first_usage_ingest(ports, &auth_url)),
        )?;
        let second_usage_ingest = match cluster.second_usage_ingest {
            true => Some(
                Program::start("usage-ingest-2", folder.path(), |ports| set_up.second_usage_ingest(ports, &auth_url))
                    .await?,
            ),
            false => None,
        };
        let internal_url = |program: &Program| format!("http://127.0.0.1:{}", program.ports().internal);
        let (keys_url, catalog_url) = (internal_url(&key_management), internal_url(&model_catalog));
        let owners = [auth_url.as_str(), &keys_url, &catalog_url];
        let (first_proxy, second_proxy) = tokio::try_join!(
            Program::start("proxy-1", folder.path(), |ports| set_up.first_proxy(ports, owners)),
            Program::start("proxy-2", folder.path(), |ports| set_up.second_proxy(ports, owners)),
        )?;
        let cluster = Self {
            auth,
            key_management,
            model_catalog,
            usage_ingest,
            second_usage_ingest,
            links,
            clocks,
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

    pub fn programs(&self) -> Vec<&Program> {
        let programs = [
            &self.auth,
            &self.key_management,
            &self.model_catalog,
            &self.usage_ingest,
            &self.first_proxy,
            &self.second_proxy,
        ];
        programs.into_iter().chain(&self.second_usage_ingest).collect()
    }

    /// SIGTERM to all, the proxies first. Each program's name and exit code.
    pub async fn stop(&mut self) -> anyhow::Result<Vec<(String, Option<i32>)>> {
        let mut ended = Vec::new();
        let proxies = [&mut self.first_proxy, &mut self.second_proxy, &mut self.usage_ingest];
        let rest = [&mut self.model_catalog, &mut self.key_management, &mut self.auth];
        for program in proxies.into_iter().chain(&mut self.second_usage_ingest).chain(rest) {
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
