//! The last values and their watchers.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use maas_events::Bucket;
use tokio::sync::{broadcast, mpsc};

use super::lock;
use crate::{StateChange, StateWatch};

/// Changes kept for a watcher that is behind; one that falls further behind starts again.
const CHANGE_CAPACITY: usize = 1024;
const WATCH_CAPACITY: usize = 256;

#[derive(Default)]
pub(super) struct StateTable {
    buckets: Mutex<HashMap<Bucket, Arc<Mutex<Values>>>>,
}

struct Values {
    last: BTreeMap<String, (u64, Bytes)>,
    changes: broadcast::Sender<StateChange>,
}

impl StateTable {
    pub(super) fn put(&self, bucket: Bucket, key: String, version: u64, value: Bytes) {
        let values = self.bucket(bucket);
        let mut values = lock(&values);
        if values.last.get(&key).is_some_and(|(held, _)| *held >= version) {
            return;
        }
        values.last.insert(key.clone(), (version, value.clone()));
        // Sent under the lock, so that changes come in the order of the table. An error says that nobody watches.
        let _ = values.changes.send(StateChange::Value { key, version, value });
    }

    pub(super) fn watch(&self, bucket: Bucket) -> StateWatch {
        let (sender, receiver) = mpsc::channel(WATCH_CAPACITY);
        let values = Arc::downgrade(&self.bucket(bucket));
        tokio::spawn(async move {
            // The table is held weakly: the watch ends with the bus.
            while let Some(values) = values.upgrade() {
                let (snapshot, changes) = history(&values);
                drop(values);
                if forward(snapshot, changes, &sender).await.is_break() {
                    return;
                }
            }
        });
        StateWatch::new(receiver)
    }

    fn bucket(&self, bucket: Bucket) -> Arc<Mutex<Values>> {
        let mut buckets = lock(&self.buckets);
        let values = buckets.entry(bucket).or_insert_with(|| {
            let changes = broadcast::Sender::new(CHANGE_CAPACITY);
            Arc::new(Mutex::new(Values { last: BTreeMap::new(), changes }))
        });
        Arc::clone(values)
    }
}

/// What is there now, and every change from now on: taken under one lock, so nothing falls between the two.
fn history(values: &Mutex<Values>) -> (Vec<StateChange>, broadcast::Receiver<StateChange>) {
    let values = lock(values);
    let last = values.last.iter().map(|(key, (version, value))| StateChange::Value {
        key: key.clone(),
        version: *version,
        value: value.clone(),
    });
    let history = std::iter::once(StateChange::Restarted).chain(last).chain([StateChange::CaughtUp]).collect();
    (history, values.changes.subscribe())
}

/// Breaks when the watcher or the bus is gone; continues when the watcher has to start again.
async fn forward(
    history: Vec<StateChange>,
    mut changes: broadcast::Receiver<StateChange>,
    watcher: &mpsc::Sender<StateChange>,
) -> std::ops::ControlFlow<()> {
    use std::ops::ControlFlow::{Break, Continue};
    for change in history {
        if watcher.send(change).await.is_err() {
            return Break(());
        }
    }
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            () = watcher.closed() => return Break(()),
        };
        match change {
            Ok(change) => {
                if watcher.send(change).await.is_err() {
                    return Break(());
                }
            }
            Err(broadcast::error::RecvError::Lagged(_)) => return Continue(()),
            Err(broadcast::error::RecvError::Closed) => return Break(()),
        }
    }
}
