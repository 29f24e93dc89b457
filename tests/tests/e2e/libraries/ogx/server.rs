//! A running OGX with nothing but inference, which needs no network but that to its providers.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use maas_testkit::{Belongings, ChildProcess, Signal, eventually, free_port};
use maas_tests::DataPlane;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::interpreter::Interpreter;

/// It loads a great many Python modules first.
const START_PATIENCE: Duration = Duration::from_secs(90);

pub struct Ogx {
    pub url: String,
    process: ChildProcess,
    // Last, so that it goes after the process that writes into it.
    _folder: TempDir,
}

impl Ogx {
    /// With these providers (name, type, configuration), and with models that these do not list themselves.
    pub async fn start(python: &Interpreter, providers: &[(&str, &str, Value)], models: &[Value]) -> Self {
        let folder = tempfile::Builder::new().prefix("maas-ogx-").tempdir().unwrap();
        let port = free_port().unwrap();
        let config = folder.path().join("config.yaml");
        // JSON is YAML.
        std::fs::write(&config, configuration(folder.path(), port, providers, models).to_string()).unwrap();
        let mut command = Command::new(python.program.with_file_name("ogx"));
        command.arg("run").arg(&config).arg("--insecure");
        command.env("HOME", folder.path()).env("PYTHONDONTWRITEBYTECODE", "1").env("NO_PROXY", "*");
        let log_file = folder.path().join("ogx.log");
        let belongings = Belongings { log_file: &log_file, folder: Some(folder.path()), end_signal: Signal::Kill };
        let process = ChildProcess::spawn_with(command, belongings).unwrap();
        let mut ogx = Self { url: format!("http://127.0.0.1:{port}"), process, _folder: folder };
        ogx.wait_ready().await;
        ogx
    }

    async fn wait_ready(&mut self) {
        let client = DataPlane::new(&self.url, "");
        let ready = || async {
            let answer = client.try_get("/v1/health").await;
            answer.is_ok_and(|answer| answer.status == 200).then_some(())
        };
        tokio::select! {
            () = eventually(START_PATIENCE, ready) => (),
            ended = self.process.wait(START_PATIENCE) => panic!("OGX ended: {ended:?}\n{}", self.process.log()),
        }
    }
}

impl Drop for Ogx {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- log of OGX ---\n{}", self.process.log());
        }
    }
}

fn configuration(folder: &Path, port: u16, providers: &[(&str, &str, Value)], models: &[Value]) -> Value {
    let path = |name: &str| folder.join(name).display().to_string();
    let provider = |(name, kind, config): &(&str, &str, Value)| json!({"provider_id": name, "provider_type": kind, "config": config});
    let table = |name: &str| json!({"table_name": name, "backend": "tables"});
    json!({
        "version": 2,
        "distro_name": "maas-tests",
        "apis": ["inference"],
        "providers": {"inference": providers.iter().map(provider).collect::<Vec<_>>()},
        "registered_resources": {"models": models},
        "storage": {
            "backends": {
                "values": {"type": "kv_sqlite", "db_path": path("values.db")},
                "tables": {"type": "sql_sqlite", "db_path": path("tables.db")},
            },
            "stores": {
                "metadata": {"namespace": "registry", "backend": "values"},
                "inference": table("inference"),
                "conversations": table("conversations"),
                "prompts": table("prompts"),
                "connectors": table("connectors"),
            },
        },
        "server": {"host": "127.0.0.1", "port": port},
    })
}
