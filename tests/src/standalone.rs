//! `maas standalone` with its state in a folder of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use serde::Deserialize;
use tempfile::TempDir;

use crate::api::Api;
use crate::data_plane::DataPlane;
use crate::program::{Ports, Program, ProgramSpec};

/// What a standalone process is started with.
#[derive(Debug, Clone, Default)]
pub struct StandaloneOptions {
    /// Base URLs with `/v1`; empty: the simulated upstream inside the program.
    pub upstreams: Vec<String>,
    pub upstream_key: Option<String>,
    /// Further settings, such as `MAAS__TELEMETRY__LOG__LEVEL`.
    pub settings: Vec<(String, String)>,
}

/// What the program writes once it is ready.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    pub url: String,
    pub ops_url: String,
    pub admin_user: String,
    pub admin_password: Option<String>,
    pub admin_token: String,
    pub api_key: Option<String>,
}

pub struct Standalone {
    pub bootstrap: Bootstrap,
    // The program goes before its folder.
    pub program: Program,
    folder: Arc<TempDir>,
}

impl Standalone {
    /// With the simulated upstream inside.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(&StandaloneOptions::default()).await
    }

    pub async fn start_with(options: &StandaloneOptions) -> anyhow::Result<Self> {
        let folder = Arc::new(tempfile::Builder::new().prefix("maas-standalone-").tempdir()?);
        Self::start_in(folder, options).await
    }

    /// On the data of an earlier one, which must have ended.
    pub async fn start_after(earlier: Self, options: &StandaloneOptions) -> anyhow::Result<Self> {
        Self::start_in(earlier.folder.clone(), options).await
    }

    async fn start_in(folder: Arc<TempDir>, options: &StandaloneOptions) -> anyhow::Result<Self> {
        let bootstrap_file = folder.path().join("bootstrap.json");
        // An earlier start's file must not be taken for this one's.
        let _ = std::fs::remove_file(&bootstrap_file);
        let spec = |ports: Ports| Self::spec(folder.path(), ports, options);
        let program = Program::start("standalone", folder.path(), spec).await?;
        let bootstrap = read_bootstrap(&bootstrap_file).await?;
        Ok(Self { bootstrap, program, folder })
    }

    /// The command line in `folder`, for tests of starts that fail.
    pub fn spec(folder: &Path, ports: Ports, options: &StandaloneOptions) -> ProgramSpec {
        let path = |name: &str| folder.join(name).display().to_string();
        let mut spec = ProgramSpec::new("maas").argument("standalone");
        for (option, value) in [
            ("--data-dir", path("data")),
            ("--port", ports.http.to_string()),
            ("--ops-port", ports.operations.to_string()),
            ("--bootstrap-file", path("bootstrap.json")),
        ] {
            spec = spec.argument(option).argument(value);
        }
        if !options.upstreams.is_empty() {
            spec = spec.set("MAAS_UPSTREAM", options.upstreams.join(","));
        }
        if let Some(key) = &options.upstream_key {
            spec = spec.set("MAAS_UPSTREAM_KEY", key);
        }
        options.settings.iter().fold(spec, |spec, (name, value)| spec.set(name, value))
    }

    /// The control plane, as the first admin.
    pub fn api(&self) -> Api {
        Api::new(&self.bootstrap.url, &self.bootstrap.admin_token)
    }

    /// The data plane with the first key; only at the first start.
    pub fn data_plane(&self) -> DataPlane {
        DataPlane::new(&self.bootstrap.url, self.bootstrap.api_key.as_deref().expect("the first start's key"))
    }

    /// Everything the process keeps is below.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn bootstrap_file(&self) -> PathBuf {
        self.folder.path().join("bootstrap.json")
    }
}

/// Readiness and this file come one shortly after the other, in either order.
async fn read_bootstrap(file: &Path) -> anyhow::Result<Bootstrap> {
    let text = maas_testkit::eventually(crate::PATIENCE, || async {
        std::fs::read_to_string(file).ok().filter(|text| text.trim_end().ends_with('}'))
    })
    .await;
    serde_json::from_str(&text).with_context(|| format!("the bootstrap file is not as documented: {text}"))
}
