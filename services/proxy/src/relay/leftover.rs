//! What is still to be read from an upstream when the client's answer is over: a task per worker thread does it, since
//! the body that held the connection is gone.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use maas_llm::stream::StreamFilter;
use tokio::sync::mpsc;

use super::stream::settlement;
use crate::{metering::OpenRequest, routing::Attempt};

/// How long the usage of an answer is waited for whose client has already left.
const GRACE: Duration = Duration::from_secs(2);
/// How long a connection may take to show that its answer is over, so that it can be used again.
const DRAIN: Duration = Duration::from_millis(250);

pub enum Leftover {
    /// The client left at the finish reason, before the usage came.
    Usage {
        upstream: Incoming,
        filter: Box<dyn StreamFilter>,
        open: Box<OpenRequest>,
        attempt: Attempt,
        request_bytes: usize,
    },
    /// All was relayed; only the end of the HTTP body is missing.
    End(Incoming),
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
        Leftover::Usage { mut upstream, mut filter, open, attempt, request_bytes } => {
            let reading = async {
                let mut unsent: Vec<Bytes> = Vec::new();
                while let Some(Ok(frame)) = upstream.frame().await {
                    let Ok(data) = frame.into_data() else { continue };
                    if filter.push(data, &mut unsent).is_err() || filter.ended().is_some() {
                        break;
                    }
                    unsent.clear();
                }
            };
            // Whatever has come by then is booked.
            let _ = tokio::time::timeout(GRACE, reading).await;
            let settlement = settlement(filter.report(), request_bytes);
            open.settle(&settlement);
            // In flight until here; how it went was not waited for.
            drop(attempt);
        }
    }
}
