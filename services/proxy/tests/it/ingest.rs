//! What usage-ingest is to a proxy: it consumes, counts, and tells how far it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use maas_bus::{Bus as _, Consumer, ConsumerSpec, InProcessBus};
use maas_events::{
    topic::{USAGE_STREAM, WATERMARK_QUERY_SUBJECT, WATERMARK_SUBJECT},
    usage::{Heartbeat, UsageEvent, UsageMessage, Watermark, Watermarks, usage_message::Body},
    validate,
};
use maas_testkit::eventually;
use maas_types::{Clock as _, SystemClock};
use prost::Message as _;
use tokio::task::JoinHandle;

use crate::http::PATIENCE;

/// The consumer, from the moment it was started until it is stopped.
pub struct Ingest {
    task: JoinHandle<()>,
}

/// What was heard; outlives consumers.
#[derive(Default)]
pub struct Books {
    sources: Mutex<BTreeMap<String, Source>>,
    /// Acknowledges and then behaves as if it had never heard: a store that was rolled back.
    pub forgetful: AtomicBool,
    /// How far its clock is ahead of everybody else's.
    pub clock_ahead_ms: AtomicI64,
}

#[derive(Debug, Default, Clone)]
pub struct Source {
    /// By sequence.
    pub events: BTreeMap<u64, UsageEvent>,
    pub closed_at: Option<u64>,
    pub deliveries: u64,
    pub heartbeat: Option<Heartbeat>,
}

impl Ingest {
    pub async fn start(bus: &InProcessBus, books: Arc<Books>) -> Self {
        let spec = ConsumerSpec {
            stream: USAGE_STREAM,
            name: "ingest",
            subject: "maas.usage.v1.>".to_owned(),
            ack_wait: Duration::from_secs(30),
            max_in_flight: 64,
        };
        let consumer = bus.consume(spec).await.unwrap();
        let answering = books.clone();
        let responder = move |_question: Bytes| -> maas_bus::AnswerFuture {
            let answer = answering.watermarks();
            Box::pin(async move { answer })
        };
        bus.respond(WATERMARK_QUERY_SUBJECT, Arc::new(responder)).await.unwrap();
        let task = tokio::spawn(consume(consumer, bus.clone(), books));
        Self { task }
    }

    pub async fn stop(self) {
        self.task.abort();
        // Once the task is gone its consumer is, too.
        eventually(PATIENCE, || std::future::ready(self.task.is_finished().then_some(()))).await;
    }
}

async fn consume(mut consumer: Consumer, bus: InProcessBus, books: Arc<Books>) {
    while let Some(message) = consumer.next().await {
        books.take(UsageMessage::decode(message.payload.clone()).unwrap());
        message.ack().await.unwrap();
        bus.broadcast(WATERMARK_SUBJECT, books.watermarks()).await.unwrap();
    }
}

impl Books {
    fn take(&self, message: UsageMessage) {
        let mut sources = self.sources.lock().unwrap();
        match message.body.unwrap() {
            Body::Events(batch) => {
                let source = sources.entry(message.source).or_default();
                source.deliveries += 1;
                for event in batch.events {
                    validate::usage_event(&event).unwrap_or_else(|error| panic!("{error}: {event:?}"));
                    source.events.insert(event.sequence, event);
                }
            }
            Body::Close(close) => sources.entry(message.source).or_default().closed_at = Some(close.last_sequence),
            Body::Heartbeat(heartbeat) => sources.entry(message.source).or_default().heartbeat = Some(heartbeat),
        }
    }

    fn watermarks(&self) -> Bytes {
        let sources = self.sources();
        let forgetful = self.forgetful.load(Ordering::Relaxed);
        let watermark = |(name, source): (&String, &Source)| Watermark {
            source: name.clone(),
            committed_through: if forgetful { 0 } else { source.dense_through() },
            above: Vec::new(),
            closed: Some(source.closed_at.is_some()),
        };
        let told_at_ms = SystemClock.now().unix_ms() + self.clock_ahead_ms.load(Ordering::Relaxed);
        Watermarks { sources: sources.iter().map(watermark).collect(), told_at_ms }.encode_to_vec().into()
    }

    pub fn sources(&self) -> BTreeMap<String, Source> {
        self.sources.lock().unwrap().clone()
    }

    /// Of all sources; each id is there once.
    pub fn events(&self) -> Vec<UsageEvent> {
        let events: Vec<_> = self.sources().into_values().flat_map(|source| source.events.into_values()).collect();
        let ids: BTreeSet<_> = events.iter().map(|event| event.id.clone()).collect();
        assert_eq!(ids.len(), events.len(), "an event came under two sequences");
        events
    }

    /// Waits for the event of a request.
    pub async fn event_of(&self, request_id: &str) -> UsageEvent {
        let find = || self.events().into_iter().find(|event| event.request_id == request_id);
        eventually(PATIENCE, || std::future::ready(find())).await
    }
}

impl Source {
    fn dense_through(&self) -> u64 {
        (1..).take_while(|sequence| self.events.contains_key(sequence)).last().unwrap_or(0)
    }

    /// Nothing is missing up to the last word.
    #[track_caller]
    pub fn assert_complete(&self) {
        assert_eq!(self.closed_at, Some(self.events.len() as u64), "{self:?}");
        assert_eq!(self.dense_through(), self.events.len() as u64, "{self:?}");
    }
}
