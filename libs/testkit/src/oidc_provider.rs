//! A certified OpenID provider: the npm package `oidc-provider`, which `scripts/setup-test.sh` installs. What its clients
//! are called and how people sign in there stands in `tests/idp/provider.mjs`.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, bail};

use crate::{ChildProcess, eventually};

pub const CLIENT_ID: &str = "maas";
pub const CLIENT_SECRET: &str = "a secret of the confidential client";
pub const PUBLIC_CLIENT_ID: &str = "maas-public";

const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// Ends when dropped.
pub struct OidcProvider {
    _process: ChildProcess,
    issuer: String,
}

impl OidcProvider {
    /// Sends browsers back to `redirect_uri`. Claims stand in the id token, or at the userinfo endpoint.
    pub async fn start(redirect_uri: &str, claims_in_id_token: bool) -> anyhow::Result<Self> {
        let folder = repository().join("tests/idp");
        if !folder.join("node_modules").is_dir() {
            bail!("{} has no node_modules: `scripts/setup-test.sh` installs them", folder.display());
        }
        let mut command = Command::new(node());
        command.arg(folder.join("provider.mjs")).env("REDIRECT_URI", redirect_uri);
        command.env("CLAIMS_IN_ID_TOKEN", claims_in_id_token.to_string());
        let process = ChildProcess::spawn(command).context("the provider does not start")?;
        let said = || std::future::ready(issuer_in(&process.log()));
        let issuer = eventually(STARTS_WITHIN, said).await;
        Ok(Self { _process: process, issuer })
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}

/// The line in which the script says where it serves.
fn issuer_in(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.starts_with(r#"{"issuer""#))?;
    let said: serde_json::Value = serde_json::from_str(line).ok()?;
    said["issuer"].as_str().map(str::to_owned)
}

/// The Node that set-up found, or installed because the system's is too old.
fn node() -> PathBuf {
    let tools = std::env::var_os("MAAS_TOOLS_DIR").map_or_else(|| repository().join(".tools"), PathBuf::from);
    let own = tools.join("node/node_modules/.bin/node");
    if own.is_file() { own } else { PathBuf::from("node") }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies two folders deep")
}
