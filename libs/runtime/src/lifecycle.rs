//! Start and stop of a process: tracked tasks, a soft stop that lets work end, a hard stop that does not wait.
//!
//! Order of a stop: readiness goes false; after a pause (load balancers notice) the soft stop token fires and tasks end
//! their work; those that are still there after the drain time-out are dropped by the hard stop.

use std::{
    collections::BTreeMap,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Why the process did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("the task {task} failed: {error:#}")]
    Task { task: String, error: anyhow::Error },
    #[error("the task {task} panicked: {message}")]
    Panic { task: String, message: String },
    #[error("stopped hard while these tasks had work left: {}", tasks.join(", "))]
    Unfinished { tasks: Vec<String> },
}

/// Handle to the one lifecycle of a process; clones share it.
#[derive(Clone, Debug)]
pub struct Lifecycle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Readiness is false from here on.
    announced: CancellationToken,
    soft: CancellationToken,
    hard: CancellationToken,
    pause: Duration,
    tracker: TaskTracker,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    running: BTreeMap<u64, String>,
    failure: Option<Failure>,
}

impl Lifecycle {
    /// Without a pause between "not ready" and the soft stop.
    pub fn new() -> Self {
        Self::with_pause(Duration::ZERO)
    }

    /// With a pause between "not ready" and the soft stop, in which new requests are still served.
    pub fn with_pause(pause: Duration) -> Self {
        Self(Arc::new(Inner {
            announced: CancellationToken::new(),
            soft: CancellationToken::new(),
            hard: CancellationToken::new(),
            pause,
            tracker: TaskTracker::new(),
            state: Mutex::default(),
        }))
    }

    /// Fires when tasks should end their work and take no more.
    pub fn soft_stop(&self) -> &CancellationToken {
        &self.0.soft
    }

    /// Fires when waiting is over.
    pub fn hard_stop(&self) -> &CancellationToken {
        &self.0.hard
    }

    /// Fires first, when the stop is decided; readiness follows it.
    pub fn stop_announced(&self) -> &CancellationToken {
        &self.0.announced
    }

    /// Runs a task until it ends or the hard stop drops it at its next await. A task that returns an error or panics
    /// stops the process with that failure; the first one is remembered. Needs a Tokio runtime.
    pub fn spawn<F>(&self, name: impl Into<String>, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let name = name.into();
        let id = self.note_started(name.clone());
        let lifecycle = self.clone();
        self.0.tracker.spawn(async move {
            let ended = tokio::select! {
                ended = AssertUnwindSafe(task).catch_unwind() => ended,
                // What it leaves behind is told by `stopped`.
                () = lifecycle.0.hard.cancelled() => return,
            };
            lifecycle.state().running.remove(&id);
            match ended {
                Ok(Ok(())) => tracing::debug!(task.name = name, "task ended"),
                Ok(Err(error)) => lifecycle.fail(Failure::Task { task: name, error }),
                Err(panic) => lifecycle.fail(Failure::Panic { task: name, message: panic_message(&*panic) }),
            }
        });
    }

    /// Begins the stop. Calling it again does nothing. With a pause it needs a Tokio runtime.
    pub fn stop(&self) {
        if self.0.announced.is_cancelled() {
            return;
        }
        self.0.announced.cancel();
        if self.0.pause.is_zero() {
            self.0.soft.cancel();
            return;
        }
        let (soft, hard, pause) = (self.0.soft.clone(), self.0.hard.clone(), self.0.pause);
        // Untracked: it ends by itself, and `stopped` waits for what it fires.
        tokio::spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = hard.cancelled() => {}
            }
            soft.cancel();
        });
    }

    /// Remembers the first failure and begins the stop.
    pub fn fail(&self, failure: Failure) {
        tracing::error!(error.message = %failure, "stopping after a failure");
        self.state().failure.get_or_insert(failure);
        self.stop();
    }

    /// SIGINT or SIGTERM begins the stop, a second one stops hard.
    pub fn on_signal(&self) -> std::io::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let lifecycle = self.clone();
        // Untracked: it waits for signals as long as the process lives, and nothing must wait for it.
        tokio::spawn(async move {
            for is_second in [false, true] {
                let name = tokio::select! {
                    _ = interrupt.recv() => "SIGINT",
                    _ = terminate.recv() => "SIGTERM",
                };
                if is_second {
                    tracing::warn!(signal.name = name, "second signal: stopping at once");
                    lifecycle.0.hard.cancel();
                } else {
                    tracing::info!(signal.name = name, "stopping; a second signal stops at once");
                    lifecycle.stop();
                }
            }
        });
        Ok(())
    }

    /// Waits for the soft stop, then for the tasks up to `drain_timeout`, then stops hard. The last line of a `main`.
    pub async fn stopped(&self, drain_timeout: Duration) -> Result<(), Failure> {
        tokio::select! {
            () = self.0.soft.cancelled() => {}
            () = self.0.hard.cancelled() => {}
        }
        self.0.tracker.close();
        if tokio::time::timeout(drain_timeout, self.0.tracker.wait()).await.is_err() {
            self.0.hard.cancel();
            self.0.tracker.wait().await;
        }
        let mut state = self.state();
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        let tasks: Vec<String> = std::mem::take(&mut state.running).into_values().collect();
        if tasks.is_empty() { Ok(()) } else { Err(Failure::Unfinished { tasks }) }
    }

    fn note_started(&self, name: String) -> u64 {
        let mut state = self.state();
        let id = state.next_id;
        state.next_id += 1;
        state.running.insert(id, name);
        id
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    const DRAIN: Duration = Duration::from_secs(60);

    fn spawn_until_soft_stop(lifecycle: &Lifecycle) {
        let soft = lifecycle.soft_stop().clone();
        lifecycle.spawn("worker", async move {
            soft.cancelled().await;
            Ok(())
        });
    }

    #[tokio::test]
    async fn a_soft_stop_lets_tasks_end() {
        let lifecycle = Lifecycle::new();
        spawn_until_soft_stop(&lifecycle);
        lifecycle.stop();
        assert!(lifecycle.stopped(DRAIN).await.is_ok());
        assert!(!lifecycle.hard_stop().is_cancelled());
    }

    #[tokio::test]
    async fn a_failed_task_stops_the_process_with_its_failure() {
        let lifecycle = Lifecycle::new();
        spawn_until_soft_stop(&lifecycle);
        lifecycle.spawn("relay", async { Err(anyhow::anyhow!("database gone")) });
        let failure = lifecycle.stopped(DRAIN).await.unwrap_err();
        assert_eq!(failure.to_string(), "the task relay failed: database gone");
    }

    #[tokio::test]
    async fn a_panic_stops_the_process_with_its_message() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("relay", async { panic!("no such row") });
        let failure = lifecycle.stopped(DRAIN).await.unwrap_err();
        assert_eq!(failure.to_string(), "the task relay panicked: no such row");
    }

    #[tokio::test]
    async fn the_first_signal_stops_softly_and_the_second_hard() {
        let lifecycle = Lifecycle::new();
        lifecycle.on_signal().unwrap();
        lifecycle.spawn("stuck", std::future::pending());
        send_terminate_to_this_process();
        lifecycle.soft_stop().cancelled().await;
        assert!(!lifecycle.hard_stop().is_cancelled());
        send_terminate_to_this_process();
        assert!(matches!(lifecycle.stopped(DRAIN).await, Err(Failure::Unfinished { .. })));
    }

    fn send_terminate_to_this_process() {
        let pid = std::process::id().to_string();
        let status = std::process::Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status().unwrap();
        assert!(status.success());
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_that_do_not_end_are_dropped_and_named() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("stuck", std::future::pending());
        lifecycle.stop();
        let failure = lifecycle.stopped(DRAIN).await.unwrap_err();
        assert!(matches!(&failure, Failure::Unfinished { tasks } if tasks == &["stuck"]), "{failure}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_soft_stop_follows_the_announcement_after_the_pause() {
        let lifecycle = Lifecycle::with_pause(Duration::from_secs(5));
        lifecycle.stop();
        assert!(lifecycle.stop_announced().is_cancelled());
        assert!(!lifecycle.soft_stop().is_cancelled());
        assert!(lifecycle.stopped(DRAIN).await.is_ok());
    }
}
