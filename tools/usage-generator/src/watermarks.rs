//! How far the ledger is, heard as proxies hear it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use maas_bus::SharedBus;
use maas_events::{
    topic::{WATERMARK_QUERY_SUBJECT, WATERMARK_SUBJECT},
    usage::{WatermarkQuery, Watermarks},
};
use prost::Message as _;
use tokio::time::timeout;

const ASK_EVERY: Duration = Duration::from_millis(500);
const ASK_WITHIN: Duration = Duration::from_secs(2);

/// Clones share what was heard.
#[derive(Clone)]
pub struct Watch {
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    sources: HashMap<String, SourceProgress>,
    delays: Vec<Duration>,
}

#[derive(Default)]
struct SourceProgress {
    /// Last sequences of batches that are not committed, with when their requests ended.
    waiting: VecDeque<(u64, Instant)>,
    committed_through: u64,
}

impl Watch {
    pub async fn start(bus: &SharedBus) -> anyhow::Result<Self> {
        let mut told = bus.listen(WATERMARK_SUBJECT).await.context("watermarks cannot be heard")?;
        let watch = Self { heard: Arc::default() };
        let hearing = watch.clone();
        tokio::spawn(async move {
            while let Some(payload) = told.recv().await {
                hearing.take_in(payload);
            }
        });
        Ok(watch)
    }

    /// The batch that ends with `last` has just been completed.
    pub fn completed(&self, source: &str, last: u64) {
        self.heard().sources.entry(source.to_owned()).or_default().waiting.push_back((last, Instant::now()));
    }

    /// Waits until all sources are committed through their last sequence. A watermark that was not heard is asked for.
    pub async fn wait_for(&self, bus: &SharedBus, sources: &[(String, u64)], patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        while let Some((source, missing)) = self.first_missing(sources) {
            if Instant::now() > deadline {
                bail!("{missing} events of {source} are not committed within {patience:?}");
            }
            let names = sources.iter().map(|(name, _)| name.clone()).collect();
            let query = WatermarkQuery { sources: names }.encode_to_vec();
            tokio::time::sleep(ASK_EVERY).await;
            // Nobody may be there to answer yet.
            if let Ok(Ok(answer)) =
                timeout(ASK_WITHIN, bus.ask(WATERMARK_QUERY_SUBJECT, query.into(), ASK_WITHIN)).await
            {
                self.take_in(answer);
            }
        }
        Ok(())
    }

    pub fn delays(&self) -> Vec<Duration> {
        std::mem::take(&mut self.heard().delays)
    }

    fn first_missing<'a>(&self, sources: &'a [(String, u64)]) -> Option<(&'a str, u64)> {
        let heard = self.heard();
        let missing = |(name, last): &'a (String, u64)| {
            let through = heard.sources.get(name).map_or(0, |progress| progress.committed_through);
            (through < *last).then(|| (name.as_str(), last - through))
        };
        sources.iter().find_map(missing)
    }

    fn take_in(&self, payload: Bytes) {
        let Ok(watermarks) = Watermarks::decode(payload) else { return };
        let heard = &mut *self.heard();
        for watermark in watermarks.sources {
            let Some(progress) = heard.sources.get_mut(&watermark.source) else { continue };
            progress.committed_through = progress.committed_through.max(watermark.committed_through);
            while progress.waiting.front().is_some_and(|(last, _)| *last <= progress.committed_through) {
                heard.delays.extend(progress.waiting.pop_front().map(|(_, completed)| completed.elapsed()));
            }
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
