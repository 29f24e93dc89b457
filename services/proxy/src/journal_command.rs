//! `maas-proxy journal`: what an operator does with the journal of a proxy that is no more, such as an orphaned volume.
//!
//! Guarantees: a folder that a running process holds is refused, and so is one that is no journal. `show` changes nothing.
//! `replay` does what the next start of that proxy would do, without serving: it ships everything under its old source and
//! sequence, settles what was open as interrupted, and ends when usage-ingest has committed all of it; whenever it is
//! broken off, it can be run again, and so can a proxy. Nothing is deleted but what the retention allows.

use std::{
    io::Write,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use maas_bus::SharedBus;
use maas_journal::{InspectedSource, Journal, JournalError, JournalOptions};
use maas_runtime::{exit::StartError, process::Process};

use crate::{
    metering::{recovery::recover, shipping::Shipper, watermark::remaining},
    metrics::ProxyMetrics,
    settings::ProxySettings,
    with_cause,
};

const LOOK_EVERY: Duration = Duration::from_millis(200);
const TELL_EVERY: Duration = Duration::from_secs(5);
/// So long nothing may move before the replay gives up: the bus is away, or sequences are missing in the journal.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(60);

/// Writes what the folder holds: a line for the instance and a block for each source.
pub fn show(folder: &Path, out: &mut impl Write) -> Result<(), StartError> {
    let inspection = maas_journal::inspect(folder).map_err(|error| unusable(&error))?;
    let write = |out: &mut dyn Write| -> std::io::Result<()> {
        writeln!(out, "instance {}", inspection.instance.simple())?;
        for source in &inspection.sources {
            show_source(source, out)?;
        }
        writeln!(out, "sources {}", inspection.sources.len())
    };
    Ok(write(out).context("the output cannot be written")?)
}

fn show_source(source: &InspectedSource, out: &mut dyn Write) -> std::io::Result<()> {
    let InspectedSource { first_sequence, last_sequence, committed_through, .. } = source;
    let uncommitted = last_sequence.saturating_sub(*committed_through);
    writeln!(out, "source {}", source.source)?;
    writeln!(out, "  files: {} segments, {} bytes", source.segments, source.bytes)?;
    writeln!(
        out,
        "  settled: {first_sequence} to {last_sequence}, known to be committed through {committed_through}, {uncommitted} to be shipped"
    )?;
    writeln!(out, "  open: {}", source.open.len())?;
    for event_id in &source.open {
        writeln!(out, "    {event_id} admitted {}", event_id.created_at())?;
    }
    for missing in &source.missing {
        writeln!(out, "  missing: {} to {}", missing.start(), missing.end())?;
    }
    writeln!(out, "  damaged segments: {}, writes cut short: {}", source.damaged_segments, source.torn_tails)
}

/// Ships the folder over the bus; ends when all of it is committed, and with an error when it cannot be done.
pub async fn replay(
    folder: &Path,
    bus: SharedBus,
    process: &Process,
    give_up_after: Duration,
    out: &mut impl Write,
) -> Result<(), StartError> {
    let opened = Journal::open_existing(folder, JournalOptions::default());
    let (journal, recovery) = opened.map_err(|error| unusable(&error))?;
    let metrics = Arc::new(ProxyMetrics::register(&process.metrics).context("metrics")?);
    let resend_after = ProxySettings::default().resend_after.get();
    let recovering = journal.clone();
    let stopping = process.lifecycle.soft_stop().clone();
    let recovered =
        tokio::task::spawn_blocking(move || recover(&recovering, recovery, || stopping.is_cancelled())).await;
    recovered.context("reading the journal broke off")?.map_err(|error| unusable(&error))?;
    Shipper::new(journal.clone(), bus, metrics, process, resend_after).spawn(process);
    let ended = until_committed(&journal, process, give_up_after, out).await;
    process.lifecycle.stop();
    process.lifecycle.stopped(Duration::from_secs(10)).await?;
    ended
}

async fn until_committed(
    journal: &Journal,
    process: &Process,
    give_up_after: Duration,
    out: &mut impl Write,
) -> Result<(), StartError> {
    let (mut last, mut moved_at, mut told_at) = (None, Instant::now(), Instant::now());
    loop {
        let left = remaining(journal);
        if left.sources == 0 {
            return Ok(writeln!(out, "all usage is committed").context("the output cannot be written")?);
        }
        if last.replace(left.events) != Some(left.events) {
            moved_at = Instant::now();
        }
        if told_at.elapsed() >= TELL_EVERY {
            told_at = Instant::now();
            writeln!(out, "{} events to go", left.events).context("the output cannot be written")?;
        }
        let why = if process.lifecycle.soft_stop().is_cancelled() {
            "it was told to stop"
        } else if moved_at.elapsed() >= give_up_after {
            "nothing has moved for a while"
        } else {
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        };
        let what = format!("{} events of {} sources are not committed", left.events, left.sources);
        let hint =
            "see that the bus and usage-ingest run, and run it again; `journal show` names what is missing for good";
        return Err(StartError::unavailable(what, why, hint));
    }
}

fn unusable(error: &JournalError) -> StartError {
    let hint = match error {
        JournalError::Locked { .. } => "stop the process that holds it; a running proxy ships its journal itself",
        JournalError::NoJournal { .. } => "name the folder that was `proxy.journal_dir`",
        _ => "see docs/journal.md",
    };
    StartError::unavailable("the journal cannot be used", with_cause(error), hint)
}
