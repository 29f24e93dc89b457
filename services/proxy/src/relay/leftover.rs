//! What is still to be read from an upstream when the client's answer is over: a task per worker thread does it, since
//! the body that held the connection is gone.

use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use maas_llm::stream::StreamFilter;
use tokio::sync::mpsc;

use super::stream::settlement;
use crate::{metering::OpenRequest, request::Asked, routing::Attempt};

/// How long the usage of an answer is waited for whose client has already left.
const GRACE: Duration = Duration::from_secs(2);
/// How long a connection may take to show that its answer is over, so that it can be used again.
const DRAIN: Duration = Duration::from_millis(250);

pub enum Leftover {
    /// The client left at the finish reason, before the usage came.
    Usage(Box<Grace>),
    /// All was relayed; only the end of the HTTP body is missing.
    End(Incoming),
}

/// A request whose client has all it wanted, and whose usage may still come. Settles with what is known when it is
/// dropped, also when the thread ends meanwhile.
pub struct Grace {
    upstream: Incoming,
    filter: Box<dyn StreamFilter>,
    open: Option<OpenRequest>,
    asked: Rc<Asked>,
    /// In flight until the end; how it went is not waited for.
    _attempt: Attempt,
}

impl Grace {
    pub fn new(
        upstream: Incoming,
        filter: Box<dyn StreamFilter>,
        open: OpenRequest,
        attempt: Attempt,
        asked: Rc<Asked>,
    ) -> Self {
        Self { upstream, filter, open: Some(open), asked, _attempt: attempt }
    }

    async fn read_on(&mut self) {
        let mut unsent: Vec<Bytes> = Vec::new();
        while let Some(Ok(frame)) = self.upstream.frame().await {
            let Ok(data) = frame.into_data() else { continue };
            if self.filter.push(data, &mut unsent).is_err() || self.filter.ended().is_some() {
                return;
            }
            unsent.clear();
        }
    }
}

impl Drop for Grace {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.settle(&settlement(self.filter.report(), &self.asked));
        }
    }
}

/// The way to the task of this thread.
pub struct Leftovers(mpsc::UnboundedSender<Leftover>);

impl Leftovers {
    /// Call on the worker's thread. The task ends with the last sender.
    pub fn spawn() -> Self {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        actix_web::rt::spawn(async move {
            while let Some(leftover) = receiver.recv().await {
                // Each ends by itself within its time.
                actix_web::rt::spawn(finish(leftover));
            }
        });
        Self(sender)
    }

    /// Takes it over. If the thread is ending it is dropped, and an open request in it settles itself.
    pub fn hand_over(&self, leftover: Leftover) {
        let _ = self.0.send(leftover);
    }
}

async fn finish(leftover: Leftover) {
    match leftover {
        Leftover::End(mut upstream) => {
            let _ = tokio::time::timeout(DRAIN, async { while let Some(Ok(_)) = upstream.frame().await {} }).await;
        }
        // Whatever has come by then is booked.
        Leftover::Usage(mut grace) => drop(tokio::time::timeout(GRACE, grace.read_on()).await),
    }
}
