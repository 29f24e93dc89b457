//! Sending the load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::client::Client;
use crate::processes::measure_processes;
use crate::report::{ProcessReport, Report, Samples};
use crate::target::Target;

/// A server that refuses connections would otherwise be asked as fast as the machine can.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(10);

/// One prepared request and how to repeat it.
#[derive(Debug, Clone)]
pub struct Load {
    pub target: Target,
    pub method: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub connections: usize,
    pub limit: Limit,
    /// Answers are server-sent events, and their frames are counted.
    pub stream: bool,
    /// Requests per second at fixed times; `None`: each connection sends when its last answer is there.
    pub rate: Option<f64>,
    /// For one request.
    pub timeout: Duration,
    /// Processes whose CPU time and memory are reported.
    pub measured_processes: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// No request is sent after that; the ones under way are waited for.
    Time(Duration),
    Requests(u64),
}

/// Runs to the limit. Failed requests are counted, not returned: an error is a measurement that could not be made.
pub async fn run(load: Load) -> anyhow::Result<Report> {
    let before = measure_processes(&load.measured_processes)?;
    let (connections, streamed) = (load.connections.max(1), load.stream);
    let measured = load.measured_processes.clone();
    let pacer =
        Arc::new(Pacer { started: Instant::now(), next: AtomicU64::new(0), limit: load.limit, rate: load.rate });
    let load = Arc::new(load);
    let request: Arc<[u8]> = request_bytes(&load).into();
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        tasks.spawn(drive_connection(load.clone(), request.clone(), pacer.clone()));
    }
    let mut samples = Samples::default();
    while let Some(of_connection) = tasks.join_next().await {
        samples.add(of_connection.context("a connection's task has failed")?);
    }
    let mut report = samples.into_report(pacer.started.elapsed(), streamed);
    if !measured.is_empty() {
        let after = measure_processes(&measured)?;
        report.processes = Some(ProcessReport::between(before, after, report.requests));
    }
    Ok(report)
}

async fn drive_connection(load: Arc<Load>, request: Arc<[u8]>, pacer: Arc<Pacer>) -> Samples {
    let mut client = Client::new(load.target.address);
    let mut samples = Samples::default();
    while let Some(due) = pacer.next_start().await {
        match timeout(load.timeout, client.call(&request, load.stream)).await {
            Ok(Ok(answer)) if (200..300).contains(&answer.status) => {
                samples.answered(&answer, due.elapsed(), load.stream);
                continue;
            }
            Ok(Ok(answer)) => samples.failed(|| format!("status {}", answer.status)),
            Ok(Err(error)) => samples.failed(|| error.to_string()),
            Err(_) => samples.failed(|| format!("no answer within {:?}", load.timeout)),
        }
        sleep(PAUSE_AFTER_ERROR).await;
    }
    samples
}

/// Hands out starts to all connections.
struct Pacer {
    started: Instant,
    next: AtomicU64,
    limit: Limit,
    rate: Option<f64>,
}

impl Pacer {
    /// Waits for the next start; answers from when its latency counts, `None` at the end.
    async fn next_start(&self) -> Option<Instant> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let due = match self.rate {
            Some(rate) => self.started + Duration::from_secs_f64(number as f64 / rate),
            None => now,
        };
        let over = match self.limit {
            Limit::Requests(requests) => number >= requests,
            Limit::Time(time) => due.max(now) >= self.started + time,
        };
        if over {
            return None;
        }
        if due > now {
            sleep_until(due).await;
            // The timer's own lateness, up to a millisecond, is not the server's.
            return Some(Instant::now());
        }
        // Every connection was busy when this start was due: that wait is part of what a caller would have seen.
        Some(due)
    }
}

fn request_bytes(load: &Load) -> Vec<u8> {
    let Load { method, target, body, .. } = load;
    let mut head = format!("{method} {} HTTP/1.1\r\nhost: {}\r\n", target.path, target.authority);
    for (name, value) in &load.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    head.push_str(body);
    head.into_bytes()
}
