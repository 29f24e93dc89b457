#![forbid(unsafe_code)]
//! The simulated upstream as a program, for benchmarks and demonstrations.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use clap::Parser;
use maas_simulated_upstream::{Behaviour, Options, SimulatedUpstream};
use tokio::signal::unix::{SignalKind, signal};

/// A simulated model server.
#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// 0 takes any free port.
    #[arg(long, default_value_t = 0)]
    port: u16,
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Asked for in Authorization: Bearer, x-api-key or api-key, as the called API has it.
    #[arg(long)]
    api_key: Option<String>,
    /// Model names, separated by commas.
    #[arg(long, value_delimiter = ',')]
    models: Vec<String>,
    /// Milliseconds before the first byte.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Milliseconds between the chunks of a stream.
    #[arg(long, default_value_t = 0)]
    chunk_delay_ms: u64,
    /// Words in an answer, which are the chunks of a stream.
    #[arg(long)]
    chunks: Option<u64>,
    /// Keeps the newest requests for GET /_requests.
    #[arg(long)]
    record_requests: bool,
}

impl Arguments {
    fn into_options(self) -> Options {
        let defaults = Options::default();
        let behaviour = Behaviour {
            required_api_key: self.api_key,
            first_byte_delay_ms: self.delay_ms,
            chunk_delay_ms: self.chunk_delay_ms,
            output_tokens: self.chunks.unwrap_or(defaults.behaviour.output_tokens),
            ..defaults.behaviour
        };
        Options {
            address: self.address,
            port: self.port,
            workers: self.workers,
            models: if self.models.is_empty() { defaults.models } else { self.models },
            behaviour,
            record_requests: self.record_requests,
            keep_served: defaults.keep_served,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Arguments::parse().into_options();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let upstream = SimulatedUpstream::start_with_options(options)?;
    writeln!(std::io::stdout(), "listening on {}", upstream.root_url())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(upstream.stop().await?)
}
