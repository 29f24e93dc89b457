//! Notes refused calls for the audit book: who was refused what.
//!
//! Guarantee: a refusal costs the refused request no I/O, and refusals cannot fill the book: of each caller at most
//! twenty a minute are written one by one, and the rest as one line with their number. What is noted is written through
//! the service's outbox within seconds, and again until the database takes it. What is still in memory when the process
//! is killed is lost, and what the queue had no room for is told as a number: a refusal changes nothing, so that it does
//! not wait for its record.
//!
//! Noted are 403s of callers who are known (a session, a token) or came with an API key, and 404s of changes where the
//! permission says so ([`crate::Permission::NOTES_MISSING`]): trying other people's ids looks like that.

mod call;
mod limits;
mod writer;

use std::{
    collections::HashMap,
    fmt::Display,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use actix_web::{body::MessageBody, dev::ServiceResponse, web};
use maas_events::Delivery;
use maas_runtime::process::Process;
use maas_types::{Clock, Timestamp};
use tokio::sync::mpsc;
use utoipa::openapi::OpenApi;

pub(crate) use call::KnownCaller;

use self::{call::RefusedCall, limits::Limits};
use crate::{middleware::RequestContext, problem::Problem};

/// Refusals that wait for the database; some hundred bytes each.
const QUEUE: usize = 1_024;

/// The refusals of one service. Clones share it.
#[derive(Clone)]
pub struct RefusalBook(Arc<Inner>);

struct Inner {
    service: &'static str,
    clock: Arc<dyn Clock>,
    limits: Mutex<Limits>,
    queue: mpsc::Sender<Delivery>,
    /// Had no room in the queue.
    lost: AtomicU64,
}

impl RefusalBook {
    /// Starts the task that writes. `write` appends to the service's outbox and is called again when it fails.
    pub fn start<F, Fut, E>(service: &'static str, process: &Process, write: F) -> Self
    where
        F: Fn(Vec<Delivery>, Timestamp) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let clock = process.clock.clone();
        let limits = Mutex::default();
        let book = Self(Arc::new(Inner { service, clock, limits, queue, lost: AtomicU64::new(0) }));
        let stop = process.lifecycle.soft_stop().clone();
        let writing = writer::run(book.clone(), waiting, write, stop);
        process.lifecycle.spawn(format!("{service} refusals"), async move {
            writing.await;
            Ok(())
        });
        book
    }

    fn note(&self, call: &RefusedCall) {
        let now = self.0.clock.now();
        let is_noted = self.0.limits.lock().unwrap_or_else(PoisonError::into_inner).admit(&call.who, now);
        if is_noted && self.0.queue.try_send(call.to_delivery(self.0.service, now)).is_err() {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One line for each caller whose minute is over and of whom not all was written; of all at the end.
    fn summaries(&self, is_end: bool) -> Vec<Delivery> {
        let now = self.0.clock.now();
        let ended = self.0.limits.lock().unwrap_or_else(PoisonError::into_inner).ended(now, is_end);
        let mut lines: Vec<Delivery> =
            ended.into_iter().map(|unwritten| unwritten.to_delivery(self.0.service, now)).collect();
        let lost = self.0.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(refusals.lost = lost, "refused calls were not written one by one: the outbox is slow");
            lines.push(call::lost_to_delivery(self.0.service, lost, now));
        }
        lines
    }
}

/// The books of the services of one process, as app data of its public listener.
#[derive(Clone)]
pub struct RefusalBooks {
    by_route: Arc<HashMap<String, RefusalBook>>,
    /// Where there is only one.
    only: Option<RefusalBook>,
}

impl RefusalBooks {
    /// Of a process with one service.
    pub fn of(book: RefusalBook) -> Self {
        Self { by_route: Arc::default(), only: Some(book) }
    }

    /// Of a process with several: each one's routes are those of its document.
    pub fn by_routes<'a>(services: impl IntoIterator<Item = (&'a OpenApi, RefusalBook)>) -> Self {
        let routes = services
            .into_iter()
            .flat_map(|(document, book)| document.paths.paths.keys().map(move |route| (route.clone(), book.clone())));
        Self { by_route: Arc::new(routes.collect()), only: None }
    }

    fn book(&self, route: &str) -> Option<&RefusalBook> {
        self.by_route.get(route).or(self.only.as_ref())
    }
}

/// Called with each answer of the control plane, before its body is written.
pub(crate) fn note<B: MessageBody>(response: &ServiceResponse<B>, context: &RequestContext) {
    let problem = response.response().error().and_then(|error| error.as_error::<Problem>());
    let (Some(problem), request) = (problem, response.request()) else { return };
    let Some(books) = request.app_data::<web::Data<RefusalBooks>>() else { return };
    if let Some(call) = RefusedCall::of(request, problem.code, context)
        && let Some(book) = books.book(&call.route)
    {
        book.note(&call);
    }
}
