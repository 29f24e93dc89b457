//! An older copy of NATS's store, to be put back later: as a restored snapshot or a fallback to an old disk would do.

use std::path::Path;

use anyhow::Context;
use maas_testkit::NatsServer;
use tempfile::TempDir;

pub struct StoreCopy(TempDir);

impl StoreCopy {
    /// Stops the server for the time of the copying.
    pub async fn take(nats: &NatsServer) -> anyhow::Result<Self> {
        nats.stop().await?;
        let copy = tempfile::Builder::new().prefix("maas-nats-copy-").tempdir()?;
        copy_folder(&nats.store_dir(), copy.path())?;
        nats.restart().await?;
        Ok(Self(copy))
    }

    /// Whatever the server has confirmed since is gone.
    pub async fn put_back(self, nats: &NatsServer) -> anyhow::Result<()> {
        nats.kill()?;
        let store = nats.store_dir();
        std::fs::remove_dir_all(&store)?;
        copy_folder(self.0.path(), &store)?;
        nats.restart().await
    }
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &target)?,
            false => drop(std::fs::copy(entry.path(), target)?),
        }
    }
    Ok(())
}
