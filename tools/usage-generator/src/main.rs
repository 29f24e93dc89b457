#![forbid(unsafe_code)]
//! `maas-usage-generator` publishes usage events as proxies do, waits until the ledger has committed them, and prints
//! how fast both went as JSON.
//!
//! Each source is a proxy worker of its own: dense sequences, messages of up to 256 events, heartbeats, and a close at
//! the end. A batch counts as visible when a watermark that covers it was told, which ingest does after its commit.

mod population;
mod report;
mod source;
mod watermarks;

use std::{
    io::Write as _,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use clap::Parser;
use maas_bus::{NatsBus, NatsConfig, SharedBus};
use tokio::task::JoinSet;

use self::{population::Population, report::Report, source::GeneratedSource, watermarks::Watch};

/// Publishes usage events as fast as they are taken, or at a rate, and waits for their commit.
#[derive(Debug, Parser)]
struct Arguments {
    /// nats://host:port
    #[arg(long)]
    nats: String,
    #[arg(long, default_value_t = 100_000)]
    events: u64,
    /// Events per second, over all sources; without it as fast as they are taken.
    #[arg(long)]
    rate: Option<f64>,
    /// Proxy workers that publish side by side.
    #[arg(long, default_value_t = 4)]
    sources: u32,
    #[arg(long, default_value_t = 2_000)]
    users: u32,
    /// Events of one message, 1 to 256.
    #[arg(long, default_value_t = 256)]
    batch: usize,
    /// Written once everything is published, for scripts that start the ledger then.
    #[arg(long)]
    published_file: Option<PathBuf>,
    /// How long the commit of the last event may take after it was published.
    #[arg(long, default_value_t = 600.0)]
    patience_seconds: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    ensure!((1..=256).contains(&arguments.batch), "--batch must be 1 to 256");
    ensure!(arguments.sources > 0 && arguments.users > 0, "--sources and --users must be more than 0");
    ensure!(arguments.rate.is_none_or(|rate| rate > 0.0), "--rate must be more than 0");
    let config = NatsConfig::new(arguments.nats.as_str(), "maas-usage-generator");
    let bus: SharedBus = Arc::new(NatsBus::connect(config).await.context("cannot connect to NATS")?);
    let report = run(&arguments, bus).await?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?;
    Ok(())
}

async fn run(arguments: &Arguments, bus: SharedBus) -> anyhow::Result<Report> {
    let watch = Watch::start(&bus).await?;
    let population = Arc::new(Population::new(arguments.users));
    let began = Instant::now();
    let mut publishing = JoinSet::new();
    let mut names = Vec::new();
    for number in 0..arguments.sources {
        let share = share_of(arguments.events, arguments.sources, number);
        let pace = arguments
            .rate
            .map(|rate| Duration::from_secs_f64(arguments.batch as f64 * f64::from(arguments.sources) / rate));
        let source = GeneratedSource::new(number, population.clone(), watch.clone());
        names.push((source.name().to_owned(), share));
        publishing.spawn(source.publish(bus.clone(), share, arguments.batch, pace));
    }
    while let Some(published) = publishing.join_next().await {
        published??;
    }
    let published = began.elapsed();
    if let Some(file) = &arguments.published_file {
        std::fs::write(file, "published\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    let patience = Duration::try_from_secs_f64(arguments.patience_seconds).context("--patience-seconds")?;
    watch.wait_for(&bus, &names, patience).await?;
    Ok(Report::of(arguments.events, published, began.elapsed(), watch.delays()))
}

fn share_of(events: u64, sources: u32, number: u32) -> u64 {
    let (each, rest) = (events / u64::from(sources), events % u64::from(sources));
    each + u64::from(u64::from(number) < rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_the_whole() {
        let shares: Vec<_> = (0..3).map(|number| share_of(11, 3, number)).collect();
        assert_eq!(shares, [4, 4, 3]);
    }
}
