//! The in-process bus with a switch: off, nothing is delivered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use maas_bus::{Bus, BusError, Consumer, ConsumerSpec, ConsumerStatus, InProcessBus, Responder, StateWatch};
use maas_events::{Bucket, Delivery};
use tokio::sync::mpsc;

#[derive(Clone, Default)]
pub struct SwitchedBus {
    inner: InProcessBus,
    off: Arc<AtomicBool>,
}

impl SwitchedBus {
    pub fn switch(&self, on: bool) {
        self.off.store(!on, Ordering::SeqCst);
    }
}

#[async_trait]
impl Bus for SwitchedBus {
    async fn deliver(&self, delivery: Delivery) -> Result<(), BusError> {
        if self.off.load(Ordering::SeqCst) {
            return Err(BusError::Unavailable("switched off".to_owned()));
        }
        self.inner.deliver(delivery).await
    }

    async fn consume(&self, spec: ConsumerSpec) -> Result<Consumer, BusError> {
        self.inner.consume(spec).await
    }

    async fn consumer_status(&self, spec: &ConsumerSpec) -> Result<ConsumerStatus, BusError> {
        self.inner.consumer_status(spec).await
    }

    fn watch_state(&self, bucket: Bucket) -> StateWatch {
        self.inner.watch_state(bucket)
    }

    async fn broadcast(&self, subject: &'static str, payload: Bytes) -> Result<(), BusError> {
        self.inner.broadcast(subject, payload).await
    }

    async fn listen(&self, subject: &'static str) -> Result<mpsc::Receiver<Bytes>, BusError> {
        self.inner.listen(subject).await
    }

    async fn ask(&self, subject: &'static str, question: Bytes, timeout: Duration) -> Result<Bytes, BusError> {
        self.inner.ask(subject, question, timeout).await
    }

    async fn respond(&self, subject: &'static str, responder: Responder) -> Result<(), BusError> {
        self.inner.respond(subject, responder).await
    }

    async fn provision(&self) -> Result<(), BusError> {
        self.inner.provision().await
    }

    async fn check_provisioned(&self) -> Result<(), BusError> {
        self.inner.check_provisioned().await
    }

    fn is_connected(&self) -> bool {
        !self.off.load(Ordering::SeqCst)
    }
}
