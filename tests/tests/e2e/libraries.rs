//! The official OpenAI libraries, unchanged, as an application uses them. The scripts are in `tests/sdk`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use maas_keys::PlainKey;
use maas_testkit::upstream::{Behaviour, Options};
use maas_testkit::{ChildProcess, SimulatedUpstream};
use maas_tests::{Standalone, StandaloneOptions};

const SCRIPT_TIMEOUT: Duration = Duration::from_secs(60);
/// The oldest Node that the library runs on.
const OLDEST_NODE: u32 = 20;
const UPSTREAM_KEY: &str = "upstream-key-of-the-library-tests";

#[tokio::test]
async fn openai_python_works_unchanged() {
    let python =
        std::env::var_os("MAAS_TEST_PYTHON").map_or_else(|| repository().join(".tools/venv/bin/python"), PathBuf::from);
    assert!(python.is_file(), "{} is not there: `make test` sets it up", python.display());
    let world = World::start().await;
    for script in ["answers.py", "errors.py"] {
        world.run(&python, &sdk_folder().join("python").join(script)).await;
    }
}

#[tokio::test]
async fn openai_node_works_unchanged() {
    let Some(version) = node_version() else {
        println!("SKIPPED openai-node: node is not installed");
        return;
    };
    if version < OLDEST_NODE {
        println!("SKIPPED openai-node: it needs Node {OLDEST_NODE} or later, and this is Node {version}");
        return;
    }
    let folder = sdk_folder().join("node");
    let package = folder.join("node_modules/openai/package.json");
    assert!(package.is_file(), "{} is not there: `make test` sets it up", package.display());
    let world = World::start().await;
    for script in ["answers.mjs", "errors.mjs"] {
        world.run(Path::new("node"), &folder.join(script)).await;
    }
}

/// A platform with a living upstream, one that has died, and keys of every kind.
struct World {
    standalone: Standalone,
    environment: Vec<(&'static str, String)>,
    _living: SimulatedUpstream,
}

impl World {
    async fn start() -> Self {
        let living = upstream(&["sim-chat", "sim/llama-3.1-8b", "sim-embed"]);
        let doomed = upstream(&["doomed"]);
        let options = StandaloneOptions {
            upstreams: vec![living.base_url(), doomed.base_url()],
            upstream_key: Some(UPSTREAM_KEY.to_owned()),
            ..StandaloneOptions::default()
        };
        let standalone = Standalone::start_with(&options).await.unwrap();
        let api = standalone.api();
        let (_, key) = api.create_key("library").await;
        let (revoked_id, revoked) = api.create_key("revoked").await;
        api.revoke_key(&revoked_id).await;
        doomed.stop().await.unwrap();
        let environment = vec![
            ("MAAS_BASE_URL", format!("{}/v1", standalone.bootstrap.url)),
            ("MAAS_API_KEY", key),
            ("MAAS_REVOKED_KEY", revoked),
            ("MAAS_UNKNOWN_KEY", PlainKey::generate().unwrap().expose().to_owned()),
            ("MAAS_CHAT_MODEL", "sim-chat".to_owned()),
            ("MAAS_SLASHED_MODEL", "sim/llama-3.1-8b".to_owned()),
            ("MAAS_EMBEDDING_MODEL", "sim-embed".to_owned()),
            ("MAAS_DEAD_MODEL", "doomed".to_owned()),
        ];
        Self { standalone, environment, _living: living }
    }

    async fn run(&self, interpreter: &Path, script: &Path) {
        let mut command = Command::new(interpreter);
        command.arg(script).envs(self.environment.iter().map(|(name, value)| (*name, value.as_str())));
        // No byte code beside the scripts, and no proxy between them and us.
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("NO_PROXY", "*");
        let mut process = ChildProcess::spawn(command).unwrap();
        let status = process.wait(SCRIPT_TIMEOUT).await.unwrap();
        let log = self.standalone.program.log();
        assert!(status.success(), "{}:\n{}\nthe platform:\n{log}", script.display(), process.log());
    }
}

fn upstream(models: &[&str]) -> SimulatedUpstream {
    let behaviour = Behaviour { required_api_key: Some(UPSTREAM_KEY.to_owned()), ..Behaviour::default() };
    let models = models.iter().map(|name| (*name).to_owned()).collect();
    SimulatedUpstream::start_with_options(Options { models, behaviour, ..Options::default() }).unwrap()
}

fn node_version() -> Option<u32> {
    let output = Command::new("node").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.trim().trim_start_matches('v').split('.').next()?.parse().ok()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the repository").to_owned()
}

fn sdk_folder() -> PathBuf {
    repository().join("tests/sdk")
}
