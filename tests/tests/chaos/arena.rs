//! A cluster that blows can fall on: two proxies, two ingests, its own Postgres and NATS, every connection through a link.

use std::time::Duration;

use anyhow::Context;
use maas_testkit::{Postgres, Signal, eventually};
use maas_tests::{
    ClockOf, Clocks, Cluster, ClusterOptions, ClusterProxy, DataPlane, End, Fault, Link, Links, PATIENCE, Program, Way,
};
use tokio::time::sleep;

use crate::disk::SmallDisk;
use crate::plan::{Blow, Victim};
use crate::postgres::{FrozenPostgres, data_folder};
use crate::rollback::StoreCopy;
use crate::storm::Storm;

/// A drain of 5 s, the last words of the journal, and a slow machine.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

pub const SLOW_STATEMENT: Duration = Duration::from_millis(50);

/// The first of the settings lets gaps close within the time of a test, the others make the upstream's bad moments short.
const PROXY_SETTINGS: [(&str, &str); 3] = [
    ("MAAS__PROXY__RESEND_AFTER", "3s"),
    ("MAAS__PROXY__ROUTING__EJECTION", "200ms"),
    ("MAAS__PROXY__ROUTING__LONGEST_EJECTION", "500ms"),
];

pub struct Arena {
    // Before the server that it has to let go of.
    frozen_postgres: Option<FrozenPostgres>,
    pub cluster: Cluster,
    pub key_id: String,
    secret: String,
    store_copy: Option<StoreCopy>,
    // After the processes that write on it.
    disk: Option<SmallDisk>,
}

impl Arena {
    pub async fn open() -> anyhow::Result<Self> {
        let disk = match SmallDisk::mount() {
            Ok(disk) => Some(disk),
            Err(error) => {
                println!("NOT TESTED: a full disk, since no small one can be made here: {error:#}");
                None
            }
        };
        let options = ClusterOptions {
            postgres: Some(Postgres::start().await?),
            second_usage_ingest: true,
            links: true,
            clocks: true,
            proxy_settings: PROXY_SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            second_proxy_settings: second_journal(disk.as_ref()),
            keep_served: true,
        };
        let cluster = Cluster::start_with(options).await?;
        let (key_id, secret) = cluster.api().create_key("chaos").await;
        let arena = Self { frozen_postgres: None, cluster, key_id, secret, store_copy: None, disk };
        wait_until_known(&arena.proxies()).await;
        Ok(arena)
    }

    pub fn proxies(&self) -> [DataPlane; 2] {
        [ClusterProxy::First, ClusterProxy::Second].map(|proxy| self.cluster.data_plane(proxy, &self.secret))
    }

    pub fn first_proxy(&self) -> &Program {
        self.cluster.proxy(ClusterProxy::First)
    }

    pub async fn begin(&mut self, blow: Blow) -> anyhow::Result<()> {
        let nats = &self.cluster.nats;
        match blow {
            Blow::Kill(Victim::Nats) => nats.kill(),
            Blow::Kill(Victim::Postgres) => self.cluster.postgres.kill().await,
            Blow::Kill(victim) => self.program(victim)?.kill(),
            Blow::Freeze(Victim::Nats) => nats.signal(Signal::Stop),
            Blow::Freeze(Victim::Postgres) => {
                let folder = data_folder(&self.cluster.database)?;
                self.frozen_postgres = Some(FrozenPostgres::freeze(&folder)?);
                Ok(())
            }
            Blow::Freeze(victim) => self.program(victim)?.signal(Signal::Stop),
            Blow::Restart(Victim::Nats) => nats.stop().await,
            Blow::Restart(Victim::Postgres) => self.cluster.postgres.stop().await,
            Blow::Restart(victim) => self.program(victim)?.stop(ENDS_WITHIN).await.map(drop),
            Blow::Disturb(link, fault, way) => {
                self.links()?.impose(link, fault, way);
                Ok(())
            }
            Blow::Vanish(victim) => self.vanish(victim).await,
            Blow::RollBackNats { while_ingest_is_frozen } => {
                if while_ingest_is_frozen {
                    self.signal_ingests(Signal::Stop)?;
                }
                self.store_copy = Some(StoreCopy::take(&self.cluster.nats).await?);
                Ok(())
            }
            Blow::FillDisk { free_bytes } => self.disk.as_ref().map_or(Ok(()), |disk| disk.fill(free_bytes)),
            Blow::RepeatStream { times } => {
                let repeated = Storm::connect(nats).await?.repeat_stream(times).await?;
                println!("  {repeated} messages published again");
                Ok(())
            }
            Blow::ForgetConsumer => Storm::connect(nats).await?.forget_consumer().await,
            Blow::SkewClock { of, ahead_ms } => self.clocks()?.set(clock_of(of)?, ahead_ms),
        }
    }

    /// Servers and links come back before the programs that need them, see [`mending_order`].
    pub async fn mend(&mut self, blow: Blow) -> anyhow::Result<()> {
        match blow {
            Blow::Kill(Victim::Nats) | Blow::Restart(Victim::Nats) => self.cluster.nats.restart().await,
            Blow::Kill(Victim::Postgres) | Blow::Restart(Victim::Postgres) => self.cluster.postgres.restart().await,
            Blow::Kill(victim) | Blow::Restart(victim) => self.program(victim)?.start_again().await,
            Blow::Freeze(Victim::Nats) => self.cluster.nats.signal(Signal::Continue),
            Blow::Freeze(Victim::Postgres) => {
                self.frozen_postgres = None;
                Ok(())
            }
            Blow::Freeze(victim) => self.program(victim)?.signal(Signal::Continue),
            Blow::Disturb(link, ..) => {
                self.links()?.heal(link);
                Ok(())
            }
            Blow::Vanish(victim) => {
                self.links()?.heal_all();
                self.program(victim)?.start_again().await
            }
            Blow::RollBackNats { while_ingest_is_frozen } => {
                let copy = self.store_copy.take().context("a copy of the store")?;
                let confirmed = Storm::connect(&self.cluster.nats).await?.last_sequence().await?;
                copy.put_back(&self.cluster.nats).await?;
                let left = Storm::connect(&self.cluster.nats).await?.last_sequence().await?;
                println!("  {} confirmed messages are gone", confirmed.saturating_sub(left));
                if while_ingest_is_frozen { self.signal_ingests(Signal::Continue) } else { Ok(()) }
            }
            Blow::FillDisk { .. } => self.disk.as_ref().map_or(Ok(()), SmallDisk::make_room),
            Blow::SkewClock { of, .. } => self.clocks()?.set(clock_of(of)?, 0),
            Blow::RepeatStream { .. } | Blow::ForgetConsumer => Ok(()),
        }
    }

    async fn vanish(&mut self, victim: Victim) -> anyhow::Result<()> {
        let (nats, postgres) = match victim {
            Victim::FirstIngest => (Link::FirstIngestNats, Link::FirstIngestPostgres),
            _ => (Link::SecondIngestNats, Link::SecondIngestPostgres),
        };
        // With so slow an answer to each statement it is nearly always in a transaction.
        self.links()?.impose(postgres, Fault::Delay(SLOW_STATEMENT), Way::Both);
        sleep(SLOW_STATEMENT * 20).await;
        for link in [nats, postgres] {
            self.links()?.impose(link, Fault::HalfOpen(End::Server), Way::Both);
        }
        self.program(victim)?.kill()
    }

    /// 0: they are right. More: so much time goes by at once.
    pub fn set_all_clocks(&self, ahead_ms: i64) -> anyhow::Result<()> {
        ClockOf::ALL.into_iter().try_for_each(|clock| self.clocks()?.set(clock, ahead_ms))
    }

    pub fn clocks(&self) -> anyhow::Result<&Clocks> {
        self.cluster.clocks.as_ref().context("the cluster has no clocks")
    }

    fn links(&self) -> anyhow::Result<&Links> {
        self.cluster.links.as_ref().context("the cluster has no links")
    }

    /// A program that has ended although nobody told it to.
    pub fn check_that_all_run(&mut self) -> anyhow::Result<()> {
        let Cluster { auth, key_management, model_catalog, .. } = &mut self.cluster;
        for program in [auth, key_management, model_catalog] {
            let ended = program.exit_code()?;
            anyhow::ensure!(ended.is_none(), "{} has ended by itself: {ended:?}", program.name);
        }
        for victim in [Victim::FirstProxy, Victim::SecondProxy, Victim::FirstIngest, Victim::SecondIngest] {
            let program = self.program(victim)?;
            let ended = program.exit_code()?;
            anyhow::ensure!(ended.is_none(), "{} has ended by itself: {ended:?}", program.name);
        }
        Ok(())
    }

    fn program(&mut self, victim: Victim) -> anyhow::Result<&mut Program> {
        let cluster = &mut self.cluster;
        match victim {
            Victim::FirstProxy => Ok(cluster.proxy_mut(ClusterProxy::First)),
            Victim::SecondProxy => Ok(cluster.proxy_mut(ClusterProxy::Second)),
            Victim::FirstIngest => Ok(&mut cluster.usage_ingest),
            Victim::SecondIngest => cluster.second_usage_ingest.as_mut().context("a second ingest"),
            Victim::Nats | Victim::Postgres => anyhow::bail!("{victim:?} is no program of ours"),
        }
    }

    fn signal_ingests(&mut self, signal: Signal) -> anyhow::Result<()> {
        self.program(Victim::FirstIngest)?.signal(signal)?;
        self.program(Victim::SecondIngest)?.signal(signal)
    }
}

fn clock_of(victim: Victim) -> anyhow::Result<ClockOf> {
    match victim {
        Victim::FirstProxy => Ok(ClockOf::FirstProxy),
        Victim::SecondProxy => Ok(ClockOf::SecondProxy),
        Victim::FirstIngest => Ok(ClockOf::FirstIngest),
        Victim::SecondIngest => Ok(ClockOf::SecondIngest),
        Victim::Nats | Victim::Postgres => anyhow::bail!("the clock of {victim:?} cannot be set"),
    }
}

/// The other durability than the first proxy's, on the disk that can be filled.
fn second_journal(disk: Option<&SmallDisk>) -> Vec<(String, String)> {
    let durability = ("MAAS__PROXY__JOURNAL_DURABILITY".to_owned(), "host".to_owned());
    let folder = disk.map(|disk| disk.path().join("journal").display().to_string());
    let folder = folder.map(|folder| ("MAAS__PROXY__JOURNAL_DIR".to_owned(), folder));
    [durability].into_iter().chain(folder).collect()
}

/// Until the key is known to both proxies, so that nothing can keep them from learning it.
pub async fn wait_until_known(proxies: &[DataPlane]) {
    for proxy in proxies {
        eventually(PATIENCE, || async { proxy.model_names().await.contains(&"sim-chat".to_owned()).then_some(()) })
            .await;
    }
}

/// Smaller first.
pub fn mending_order(blow: &Blow) -> u8 {
    match blow {
        Blow::Disturb(..) | Blow::FillDisk { .. } => 0,
        Blow::Freeze(_) => 1,
        Blow::Kill(Victim::Nats | Victim::Postgres) | Blow::Restart(Victim::Nats | Victim::Postgres) => 2,
        Blow::RollBackNats { .. } => 3,
        Blow::Kill(_) | Blow::Restart(_) | Blow::Vanish(_) | Blow::RepeatStream { .. } | Blow::ForgetConsumer => 4,
        // Who was killed meanwhile starts with a wrong clock, and then it jumps.
        Blow::SkewClock { .. } => 5,
    }
}
