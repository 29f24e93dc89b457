//! One database of a cluster.

use std::process::Command;

use anyhow::{Context, bail};
use uuid::Uuid;

use crate::programs::find_program;

/// A fresh database; dropped together with this value, whoever is still connected.
#[derive(Debug)]
pub struct TestDatabase {
    address: String,
    name: String,
    url: String,
}

impl TestDatabase {
    pub(super) async fn create(address: String) -> anyhow::Result<Self> {
        tokio::task::spawn_blocking(move || {
            let name = format!("test_{}", Uuid::new_v4().simple());
            psql(&maintenance_url(&address), &format!("CREATE DATABASE {name}"))?;
            Ok(Self { url: format!("{address}/{name}"), address, name })
        })
        .await?
    }

    /// `postgres://user@host:port/name`
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs SQL through psql; answers what it prints, without headings.
    pub fn execute(&self, sql: &str) -> anyhow::Result<String> {
        psql(&self.url, sql)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // The cluster may be down or gone, as chaos tests leave it: then so is the database.
        let _ = psql(&maintenance_url(&self.address), &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

pub(super) fn maintenance_url(address: &str) -> String {
    format!("{address}/postgres")
}

pub(super) fn psql(url: &str, sql: &str) -> anyhow::Result<String> {
    let program = find_program("psql", &super::cluster::binary_folders(), "postgresql-client")?;
    let output = Command::new(program)
        .args(["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql])
        .env("PGCONNECT_TIMEOUT", "5")
        .output()
        .context("cannot run psql")?;
    if !output.status.success() {
        bail!("psql failed on `{sql}`: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}
