#![forbid(unsafe_code)]
//! `maas-loadgen run …` sends load and prints its report as JSON; `maas-loadgen cpu …` reads what processes have used.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use maas_loadgen::{Limit, Load, Target, measure_processes, run};
use serde::Serialize;

/// A load generator for servers on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sends one request again and again and reports latencies as JSON.
    Run(Box<RunArguments>),
    /// Prints CPU time and memory of processes as JSON.
    Cpu {
        /// Process ids, separated by commas.
        #[arg(long = "pid", value_delimiter = ',', required = true)]
        ids: Vec<u32>,
    },
}

#[derive(Debug, Args)]
struct RunArguments {
    /// http:// on a loopback address.
    #[arg(long)]
    url: Target,
    #[arg(long, default_value = "POST")]
    method: String,
    /// `name: value`; may be given several times.
    #[arg(long = "header", value_parser = parse_header)]
    headers: Vec<(String, String)>,
    #[arg(long, default_value = "", conflicts_with = "body_file")]
    body: String,
    #[arg(long)]
    body_file: Option<PathBuf>,
    #[arg(long, default_value_t = 16)]
    connections: usize,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Instead of a time: so many requests.
    #[arg(long)]
    requests: Option<u64>,
    /// Answers are server-sent events.
    #[arg(long)]
    stream: bool,
    /// Requests per second at fixed times.
    #[arg(long)]
    rate: Option<f64>,
    #[arg(long, default_value_t = 60.0)]
    timeout_seconds: f64,
    /// Processes to measure, separated by commas.
    #[arg(long = "measure-pid", value_delimiter = ',')]
    measured_processes: Vec<u32>,
    /// Threads of the generator itself.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

impl RunArguments {
    fn into_load(self) -> anyhow::Result<Load> {
        let body = match &self.body_file {
            Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
            None => self.body,
        };
        anyhow::ensure!(self.rate.is_none_or(|rate| rate > 0.0), "--rate must be more than 0");
        let time = Duration::try_from_secs_f64(self.seconds).context("--seconds")?;
        Ok(Load {
            target: self.url,
            method: self.method,
            headers: self.headers,
            body,
            connections: self.connections,
            limit: self.requests.map_or(Limit::Time(time), Limit::Requests),
            stream: self.stream,
            rate: self.rate,
            timeout: Duration::try_from_secs_f64(self.timeout_seconds).context("--timeout-seconds")?,
            measured_processes: self.measured_processes,
        })
    }
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Cpu { ids } => print_json(&measure_processes(&ids)?),
        Command::Run(arguments) => {
            let threads = arguments.threads;
            let load = arguments.into_load()?;
            print_json(&build_runtime(threads)?.block_on(run(load))?)
        }
    }
}

/// One thread needs no hand-over between threads, which is the cheaper half of most benchmarks.
fn build_runtime(threads: usize) -> std::io::Result<tokio::runtime::Runtime> {
    if threads <= 1 {
        return tokio::runtime::Builder::new_current_thread().enable_all().build();
    }
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()
}

fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string(value)?)?)
}

fn parse_header(header: &str) -> Result<(String, String), String> {
    let (name, value) = header.split_once(':').ok_or("a header is written `name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
