//! PostgreSQL for tests: one private cluster per test run, a fresh database per test.
//!
//! A cluster takes two seconds to make, a database a few milliseconds, so tests share the cluster. Test runners that give
//! each test its own process pass it on in `MAAS_TEST_POSTGRES` (see the `test-services` program); without that variable
//! the process starts one for itself.

mod cluster;
mod database;

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::OnceCell;

use cluster::Cluster;
pub use database::TestDatabase;

/// `postgres://user@host:port` of a running cluster that the tests may create databases in.
pub const ADDRESS_VARIABLE: &str = "MAAS_TEST_POSTGRES";

/// A PostgreSQL server. Started by us, it goes when the last clone goes or this process ends.
#[derive(Debug, Clone)]
pub struct Postgres {
    address: String,
    /// `None` when the cluster belongs to somebody else.
    cluster: Option<Arc<Cluster>>,
}

impl Postgres {
    /// The test run's cluster: the one in `MAAS_TEST_POSTGRES`, else one that this process starts once.
    pub async fn shared() -> anyhow::Result<&'static Postgres> {
        static SHARED: OnceCell<Postgres> = OnceCell::const_new();
        SHARED
            .get_or_try_init(|| async {
                match std::env::var(ADDRESS_VARIABLE) {
                    Ok(address) => Ok(Self { address: address.trim_end_matches('/').to_owned(), cluster: None }),
                    Err(_) => Self::start().await,
                }
            })
            .await
    }

    /// A cluster of one's own, for tests that kill or stop it.
    pub async fn start() -> anyhow::Result<Postgres> {
        let cluster = tokio::task::spawn_blocking(Cluster::start).await??;
        Ok(Self { address: cluster.address(), cluster: Some(Arc::new(cluster)) })
    }

    /// `postgres://user@host:port`, without a database.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A new, empty database.
    pub async fn database(&self) -> anyhow::Result<TestDatabase> {
        TestDatabase::create(self.address.clone()).await
    }

    /// SIGKILL: connections break, and committed work that was not yet written may be lost (`fsync` is off).
    pub async fn kill(&self) -> anyhow::Result<()> {
        self.in_background(Cluster::kill).await
    }

    /// A fast shutdown: open transactions are rolled back, connections closed.
    pub async fn stop(&self) -> anyhow::Result<()> {
        self.in_background(Cluster::stop).await
    }

    /// Starts again on the same port and data; stops the server first if it runs.
    pub async fn restart(&self) -> anyhow::Result<()> {
        self.in_background(Cluster::restart).await
    }

    async fn in_background(&self, action: fn(&Cluster) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let cluster = self.cluster.clone().context("this PostgreSQL cluster is shared: use Postgres::start")?;
        tokio::task::spawn_blocking(move || action(&cluster)).await?
    }
}

#[cfg(test)]
mod tests {
    use super::database::psql;
    use super::*;

    #[tokio::test]
    async fn databases_are_separate_and_go_when_dropped() {
        let postgres = Postgres::shared().await.unwrap();
        let (first, second) = tokio::join!(postgres.database(), postgres.database());
        let (first, second) = (first.unwrap(), second.unwrap());
        psql(first.url(), "CREATE TABLE here (id int)").unwrap();
        assert!(psql(second.url(), "SELECT * FROM here").is_err());

        let gone = first.url().to_owned();
        drop(first);
        assert!(psql(&gone, "SELECT 1").is_err());
    }

    #[tokio::test]
    async fn a_killed_cluster_comes_back_with_its_databases() {
        let postgres = Postgres::start().await.unwrap();
        let database = postgres.database().await.unwrap();
        psql(database.url(), "CREATE TABLE kept (id int)").unwrap();

        postgres.kill().await.unwrap();
        assert!(psql(database.url(), "SELECT 1").is_err());
        postgres.restart().await.unwrap();
        psql(database.url(), "SELECT * FROM kept").unwrap();

        postgres.stop().await.unwrap();
        assert!(psql(database.url(), "SELECT 1").is_err());
        postgres.restart().await.unwrap();
        psql(database.url(), "SELECT * FROM kept").unwrap();
    }
}
