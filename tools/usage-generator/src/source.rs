//! One proxy worker: its sequence, its messages, its heartbeats.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use maas_bus::{BusError, SharedBus};
use maas_events::{
    Delivery, SourceId,
    topic::usage_subject,
    usage::{Close, EventBatch, Heartbeat, UsageMessage, usage_message::Body},
};
use maas_types::{Clock as _, SystemClock};
use prost::Message as _;
use tokio::time::{Instant, MissedTickBehavior, interval};
use uuid::Uuid;

use crate::{population::Population, watermarks::Watch};

const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// While the bus refuses: as a proxy would, try again with the same id.
const TRY_AGAIN: Duration = Duration::from_millis(50);

pub struct GeneratedSource {
    id: SourceId,
    name: String,
    population: Arc<Population>,
    watch: Watch,
}

impl GeneratedSource {
    pub fn new(number: u32, population: Arc<Population>, watch: Watch) -> Self {
        let id = SourceId { instance: Uuid::new_v4(), boot: Uuid::new_v4(), worker: number };
        Self { id, name: id.to_string(), population, watch }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Publishes `count` events in messages of `batch`; with a `pace`, one message for each of its ticks.
    pub async fn publish(self, bus: SharedBus, count: u64, batch: usize, pace: Option<Duration>) -> anyhow::Result<()> {
        let mut ticks = pace.map(interval);
        if let Some(ticks) = &mut ticks {
            // What is late is sent at once, so that the rate holds on the average.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        }
        let mut heartbeat_at = Instant::now();
        let mut last = 0;
        while last < count {
            if let Some(ticks) = &mut ticks {
                ticks.tick().await;
            }
            let first = last + 1;
            last = count.min(last + batch as u64);
            let events = self.events(first, last);
            self.watch.completed(&self.name, last);
            self.send(&bus, format!("{}:{first}-{last}", self.name), Some((first, last)), events).await?;
            if heartbeat_at.elapsed() >= HEARTBEAT_EVERY {
                heartbeat_at = Instant::now();
                self.heartbeat(&bus, last).await?;
            }
        }
        self.heartbeat(&bus, last).await?;
        let close = Body::Close(Close { last_sequence: last });
        self.send(&bus, format!("{}:close", self.name), None, close).await
    }

    fn events(&self, first: u64, last: u64) -> Body {
        let now = SystemClock.now();
        // Each source draws from a range of its own.
        let draws = u64::from(self.id.worker) << 40;
        let events = (first..=last).map(|sequence| self.population.event(sequence, draws + sequence, now));
        Body::Events(EventBatch { events: events.collect() })
    }

    async fn heartbeat(&self, bus: &SharedBus, last_sequence: u64) -> anyhow::Result<()> {
        let sent_at_ms = SystemClock.now().unix_ms();
        let heartbeat = Heartbeat { last_sequence, sent_at_ms, ..Heartbeat::default() };
        self.send(bus, format!("{}:h{sent_at_ms}", self.name), None, Body::Heartbeat(heartbeat)).await
    }

    async fn send(&self, bus: &SharedBus, id: String, sequences: Option<(u64, u64)>, body: Body) -> anyhow::Result<()> {
        let payload = UsageMessage { source: self.name.clone(), body: Some(body) }.encode_to_vec().into();
        let mut headers = vec![("Maas-Source", self.name.clone())];
        if let Some((first, last)) = sequences {
            headers.extend([("Maas-First-Sequence", first.to_string()), ("Maas-Last-Sequence", last.to_string())]);
        }
        let delivery = Delivery::Message { subject: usage_subject(0), id, headers, payload };
        loop {
            match bus.deliver(delivery.clone()).await {
                Ok(()) => return Ok(()),
                Err(BusError::Unavailable(_)) => tokio::time::sleep(TRY_AGAIN).await,
                Err(error) => return Err(error).context("the bus does not take usage messages"),
            }
        }
    }
}
