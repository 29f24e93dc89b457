//! Watches of a bucket, supervised.
//!
//! A round is one consumer of the server, from the last value of every key on. Whatever is odd ends the round, and the
//! next one begins from scratch with `Restarted`: a lost connection, an error, a missing message, and also a stream
//! that is not the same any more or has fewer messages than were seen, which is what a wiped or rolled back store
//! looks like from here.

use async_nats::jetstream::{
    self,
    consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull},
    stream::{Info, Stream},
};
use futures_util::StreamExt;
use maas_events::Bucket;
use tokio::{
    sync::mpsc,
    time::{Duration, MissedTickBehavior},
};

use super::{Link, durable, outage::Outage, state::VERSION_HEADER};
use crate::{StateChange, StateWatch};

const WATCH_CAPACITY: usize = 256;
const PULL_EXPIRY: Duration = Duration::from_secs(10);
const PULL_HEARTBEAT: Duration = Duration::from_secs(2);
const PULL_BATCH: usize = 512;
/// How often the stream itself is looked at.
const PROBE_INTERVAL: Duration = Duration::from_secs(2);
/// The server forgets the consumer of a watcher that is gone.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// Starts the watch in a task of its own.
pub(super) fn start(link: Link, bucket: Bucket) -> StateWatch {
    let (sender, receiver) = mpsc::channel(WATCH_CAPACITY);
    tokio::spawn(async move {
        let closed = link.closed.clone();
        tokio::select! {
            () = supervise(link, bucket, &sender) => {}
            () = sender.closed() => {}
            () = closed.cancelled() => {}
        }
    });
    StateWatch::new(receiver)
}

async fn supervise(mut link: Link, bucket: Bucket, watcher: &mpsc::Sender<StateChange>) {
    let mut outage = Outage::new(format!("watch of {}", bucket.as_str()));
    loop {
        // A loss before this point ends no round: the round begins after it.
        link.losses.mark_unchanged();
        let problem = match Round::begin(&link, bucket, watcher, &mut outage).await {
            Ok(mut round) => {
                let problem = tokio::select! {
                    Err(problem) = round.run() => problem,
                    _ = link.losses.changed() => "the connection was lost".to_owned(),
                };
                round.end(&link).await;
                problem
            }
            Err(problem) => problem,
        };
        if watcher.is_closed() {
            return;
        }
        link.pause(outage.failed(&problem)).await;
    }
}

struct Round<'a> {
    bucket: Bucket,
    watcher: &'a mpsc::Sender<StateChange>,
    outage: &'a mut Outage,
    stream: Stream,
    consumer: PullConsumer,
    /// The stream just before the consumer was created.
    at_start: Info,
    caught_up: bool,
    /// The sequence up to which nothing is missing.
    seen: u64,
    consumer_sequence: u64,
    probed: Probe,
}

/// How things stood at the last look at the stream.
#[derive(Default)]
struct Probe {
    last: u64,
    seen: u64,
}

type RoundError = String;

impl<'a> Round<'a> {
    async fn begin(
        link: &Link,
        bucket: Bucket,
        watcher: &'a mpsc::Sender<StateChange>,
        outage: &'a mut Outage,
    ) -> Result<Self, RoundError> {
        link.require_connection().map_err(text)?;
        let stream = link.jetstream.get_stream(bucket.stream()).await.map_err(text)?;
        let at_start = stream.cached_info().clone();
        let config = pull::Config {
            deliver_policy: DeliverPolicy::LastPerSubject,
            ack_policy: AckPolicy::None,
            filter_subject: bucket.subject("*"),
            inactive_threshold: FORGET_AFTER,
            memory_storage: true,
            ..pull::Config::default()
        };
        let consumer = stream
            .create_consumer(config)
            .await
            .map_err(|error| durable::refusal(bucket.stream(), &error).to_string())?;
        Ok(Self {
            bucket,
            watcher,
            stream,
            consumer,
            at_start,
            caught_up: false,
            seen: 0,
            consumer_sequence: 0,
            probed: Probe::default(),
            outage,
        })
    }

    /// Ends with the reason why the round cannot go on.
    async fn run(&mut self) -> Result<std::convert::Infallible, RoundError> {
        let mut messages = self
            .consumer
            .stream()
            .max_messages_per_batch(PULL_BATCH)
            .expires(PULL_EXPIRY)
            .heartbeat(PULL_HEARTBEAT)
            .messages()
            .await
            .map_err(text)?;
        self.tell(StateChange::Restarted).await?;
        self.note_caught_up().await?;
        let mut probe = tokio::time::interval(PROBE_INTERVAL);
        probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = messages.next() => {
                    let message = message.ok_or("the messages ended")?.map_err(text)?;
                    self.take(message).await?;
                }
                _ = probe.tick() => self.probe().await?,
            }
        }
    }

    async fn take(&mut self, message: jetstream::Message) -> Result<(), RoundError> {
        let info = message.info().map_err(text)?;
        if info.consumer_sequence != self.consumer_sequence + 1 {
            return Err("a message is missing".to_owned());
        }
        let sequence = info.stream_sequence;
        self.consumer_sequence = info.consumer_sequence;
        match change(self.bucket, &message) {
            Some(change) => self.tell(change).await?,
            None => tracing::warn!(subject = %message.subject, "skipped a value without key or version"),
        }
        self.seen = self.seen.max(sequence);
        self.note_caught_up().await
    }

    /// The last message of a stream is always the last of its subject, so having seen it, or one that came after it,
    /// means having seen everything before: values come in the order of the stream.
    async fn note_caught_up(&mut self) -> Result<(), RoundError> {
        let state = &self.at_start.state;
        if self.caught_up || (state.messages > 0 && self.seen < state.last_sequence) {
            return Ok(());
        }
        self.caught_up().await
    }

    async fn caught_up(&mut self) -> Result<(), RoundError> {
        self.caught_up = true;
        self.outage.over();
        // What was removed from the end of the stream will never arrive.
        self.seen = self.seen.max(self.at_start.state.last_sequence);
        self.tell(StateChange::CaughtUp).await
    }

    /// Looks whether the stream is still the one being watched, and whether something is missing: what was there at
    /// the probe before has not arrived, and nothing else has either.
    async fn probe(&mut self) -> Result<(), RoundError> {
        let stream = self.stream.get_info().await.map_err(text)?;
        if stream.created != self.at_start.created {
            return Err("the stream was created anew".to_owned());
        }
        if stream.state.last_sequence < self.seen.max(self.probed.last) {
            return Err("the stream went back".to_owned());
        }
        if !self.caught_up {
            // Somebody may have removed the message that was the last one at the start.
            let consumer = self.consumer.get_info().await.map_err(text)?;
            if consumer.num_pending == 0 && consumer.delivered.stream_sequence <= self.seen {
                self.caught_up().await?;
            }
        } else if self.seen < self.probed.last && self.seen == self.probed.seen {
            return Err("a change did not arrive".to_owned());
        }
        self.probed = Probe { last: stream.state.last_sequence, seen: self.seen };
        Ok(())
    }

    async fn tell(&self, change: StateChange) -> Result<(), RoundError> {
        self.watcher.send(change).await.map_err(|_| "nobody watches any more".to_owned())
    }

    /// Tidies up at the server, which would forget the consumer by itself a little later.
    async fn end(self, link: &Link) {
        if link.is_connected() {
            let _ = self.stream.delete_consumer(&self.consumer.cached_info().name).await;
        }
    }
}

fn change(bucket: Bucket, message: &jetstream::Message) -> Option<StateChange> {
    let key = message.subject.strip_prefix(bucket.subject("").as_str())?.to_owned();
    let version = message.headers.as_ref()?.get(VERSION_HEADER)?.as_str().parse().ok()?;
    Some(StateChange::Value { key, version, value: message.payload.clone() })
}

fn text(error: impl std::fmt::Display) -> RoundError {
    error.to_string()
}
