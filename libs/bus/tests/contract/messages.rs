use std::{collections::BTreeSet, time::Duration};

use maas_bus::{ConsumerSpec, SharedBus};
use maas_events::topic;

use crate::world::{deliver_until_stored, message, next, soon, usage_spec};

crate::on_both!(
    message_carries_what_was_delivered,
    dropped_message_comes_again,
    unacknowledged_message_comes_again_after_ack_wait,
    acknowledged_message_does_not_come_again,
    members_of_one_name_share_the_work,
    consumers_of_different_names_each_get_the_message,
    message_without_a_consumer_yet_is_not_lost,
    messages_come_in_order,
);

async fn message_carries_what_was_delivered(bus: SharedBus) {
    let mut consumer = bus.consume(usage_spec()).await.unwrap();
    let delivered = deliver_until_stored(&bus, message("one"));
    let received = next(&mut consumer).await;
    assert_eq!(received.subject, topic::usage_subject(0));
    assert_eq!(received.payload, "one");
    assert_eq!(received.header("Maas-Test"), Some("one"));
    assert_eq!((received.deliveries, received.pending), (1, 0));
    received.ack().await.unwrap();
    soon("the delivery", delivered).await.unwrap();
}

async fn dropped_message_comes_again(bus: SharedBus) {
    let mut consumer = bus.consume(usage_spec()).await.unwrap();
    let delivered = deliver_until_stored(&bus, message("one"));
    drop(next(&mut consumer).await);
    let again = next(&mut consumer).await;
    assert_eq!(again.payload, "one");
    assert!(again.deliveries >= 2);
    again.ack().await.unwrap();
    soon("the delivery", delivered).await.unwrap();
}

async fn unacknowledged_message_comes_again_after_ack_wait(bus: SharedBus) {
    let mut consumer = bus.consume(usage_spec()).await.unwrap();
    let delivered = deliver_until_stored(&bus, message("one"));
    let held = next(&mut consumer).await;
    let again = next(&mut consumer).await;
    assert_eq!((held.payload.clone(), again.payload.clone()), ("one".into(), "one".into()));
    assert!(again.deliveries >= 2);
    again.ack().await.unwrap();
    soon("the delivery", delivered).await.unwrap();
}

async fn acknowledged_message_does_not_come_again(bus: SharedBus) {
    let mut consumer = bus.consume(usage_spec()).await.unwrap();
    let first = deliver_until_stored(&bus, message("one"));
    next(&mut consumer).await.ack().await.unwrap();
    soon("the first delivery", first).await.unwrap();
    // The second is dropped: by the time it comes again, the first would have come again too.
    let second = deliver_until_stored(&bus, message("two"));
    drop(next(&mut consumer).await);
    let again = next(&mut consumer).await;
    assert_eq!(again.payload, "two");
    again.ack().await.unwrap();
    soon("the second delivery", second).await.unwrap();
}

async fn members_of_one_name_share_the_work(bus: SharedBus) {
    let mut members = [bus.consume(usage_spec()).await.unwrap(), bus.consume(usage_spec()).await.unwrap()];
    let ids: BTreeSet<_> = (0..40).map(|number| format!("message-{number:02}")).collect();
    let deliveries: Vec<_> = ids.iter().map(|id| deliver_until_stored(&bus, message(id))).collect();
    let mut received = BTreeSet::new();
    let [first, second] = &mut members;
    soon("all messages", async {
        while received.len() < ids.len() {
            let message = tokio::select! { message = first.next() => message, message = second.next() => message };
            let message = message.unwrap();
            assert_eq!(message.deliveries, 1, "one member only");
            assert!(received.insert(String::from_utf8(message.payload.to_vec()).unwrap()));
            message.ack().await.unwrap();
        }
    })
    .await;
    assert_eq!(received, ids);
    for delivery in deliveries {
        soon("the delivery", delivery).await.unwrap();
    }
}

async fn consumers_of_different_names_each_get_the_message(bus: SharedBus) {
    let mut first = bus.consume(usage_spec()).await.unwrap();
    let mut second = bus.consume(ConsumerSpec { name: "contract-other", ..usage_spec() }).await.unwrap();
    let delivered = deliver_until_stored(&bus, message("one"));
    next(&mut first).await.ack().await.unwrap();
    next(&mut second).await.ack().await.unwrap();
    soon("the delivery", delivered).await.unwrap();
}

async fn message_without_a_consumer_yet_is_not_lost(bus: SharedBus) {
    // Long enough for a first attempt to be refused or stored, whichever the bus does.
    let first_attempt = tokio::time::timeout(Duration::from_secs(5), bus.deliver(message("early"))).await.unwrap();
    let delivered = deliver_until_stored(&bus, message("early"));
    let mut consumer = bus.consume(usage_spec()).await.unwrap();
    let received = next(&mut consumer).await;
    assert_eq!(received.payload, "early", "after the first attempt's {first_attempt:?}");
    received.ack().await.unwrap();
    soon("the delivery", delivered).await.unwrap();
}

async fn messages_come_in_order(bus: SharedBus) {
    let mut consumer = bus.consume(usage_spec()).await.unwrap();
    let ids: Vec<_> = (0..10).map(|number| format!("message-{number}")).collect();
    let (bus, sent) = (bus.clone(), ids.clone());
    let delivered = tokio::spawn(async move {
        for id in sent {
            bus.deliver(message(&id)).await.unwrap();
        }
    });
    for id in ids {
        let received = next(&mut consumer).await;
        assert_eq!(received.payload, id);
        received.ack().await.unwrap();
    }
    soon("the deliveries", delivered).await.unwrap();
}
