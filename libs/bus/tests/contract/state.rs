use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use maas_bus::{SharedBus, StateChange};
use maas_events::Bucket;

use crate::world::{changed, next_change, next_history, soon, value};

crate::on_both!(
    empty_bucket_is_caught_up_at_once,
    history_comes_before_changes,
    older_version_never_overwrites,
    concurrent_writers_leave_the_newest_version,
    buckets_do_not_mix,
    history_larger_than_every_buffer_comes_whole_and_once,
);

async fn empty_bucket_is_caught_up_at_once(bus: SharedBus) {
    let mut watch = bus.watch_state(Bucket::Keys);
    assert_eq!(next_change(&mut watch).await, StateChange::Restarted);
    assert_eq!(next_change(&mut watch).await, StateChange::CaughtUp);
    bus.deliver(value("aa", 1, "first")).await.unwrap();
    assert_eq!(next_change(&mut watch).await, changed("aa", 1, "first"));
}

async fn history_comes_before_changes(bus: SharedBus) {
    for delivery in [value("aa", 1, "old"), value("bb", 7, "b"), value("aa", 2, "new")] {
        bus.deliver(delivery).await.unwrap();
    }
    let mut watch = bus.watch_state(Bucket::Keys);
    let mut history = next_history(&mut watch).await;
    history.sort_by_key(|change| format!("{change:?}"));
    assert_eq!(history, [changed("aa", 2, "new"), changed("bb", 7, "b")]);
    bus.deliver(value("bb", 8, "later")).await.unwrap();
    assert_eq!(next_change(&mut watch).await, changed("bb", 8, "later"));
}

async fn older_version_never_overwrites(bus: SharedBus) {
    bus.deliver(value("aa", 5, "newer")).await.unwrap();
    bus.deliver(value("aa", 4, "older")).await.unwrap();
    bus.deliver(value("aa", 5, "same version")).await.unwrap();
    let mut watch = bus.watch_state(Bucket::Keys);
    assert_eq!(next_history(&mut watch).await, [changed("aa", 5, "newer")]);
}

async fn concurrent_writers_leave_the_newest_version(bus: SharedBus) {
    let writers: Vec<_> = (1..=8)
        .map(|version| {
            let bus = bus.clone();
            tokio::spawn(async move { bus.deliver(value("aa", version, "value")).await })
        })
        .collect();
    for writer in writers {
        soon("the write", writer).await.unwrap().unwrap();
    }
    let mut watch = bus.watch_state(Bucket::Keys);
    assert_eq!(next_history(&mut watch).await, [changed("aa", 8, "value")]);
}

async fn buckets_do_not_mix(bus: SharedBus) {
    bus.deliver(value("aa", 1, "a key")).await.unwrap();
    let mut watch = bus.watch_state(Bucket::Models);
    assert_eq!(next_history(&mut watch).await, []);
}

async fn history_larger_than_every_buffer_comes_whole_and_once(bus: SharedBus) {
    let keys: BTreeSet<_> = (0..1500).map(|number| format!("{number:04x}")).collect();
    try_join_all(keys.iter().map(|key| bus.deliver(value(key, 1, "value")))).await.unwrap();
    let mut watch = bus.watch_state(Bucket::Keys);
    let history = next_history(&mut watch).await;
    assert_eq!(history.len(), keys.len());
    let heard: BTreeSet<_> = history.into_iter().map(key).collect();
    assert_eq!(heard, keys);
    bus.deliver(value("ffff", 1, "change")).await.unwrap();
    assert_eq!(next_change(&mut watch).await, changed("ffff", 1, "change"));
}

fn key(change: StateChange) -> String {
    match change {
        StateChange::Value { key, .. } => key,
        other => panic!("expected a value, got {other:?}"),
    }
}
