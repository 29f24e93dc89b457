use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use maas_bus::{BusError, Responder, SharedBus};

use crate::world::soon;

const SUBJECT: &str = "maas.contract.v1";

crate::on_both!(
    question_is_answered,
    question_without_a_responder_has_no_answer_quickly,
    slow_responder_is_no_answer,
    responder_that_panics_goes_on_answering,
    everyone_who_listens_hears_a_broadcast,
    slow_listener_loses_the_oldest,
);

fn responder(answer: fn(Bytes) -> Bytes) -> Responder {
    Arc::new(move |question| Box::pin(async move { answer(question) }))
}

async fn question_is_answered(bus: SharedBus) {
    bus.respond(SUBJECT, responder(|question| [b"re: ", question.as_ref()].concat().into())).await.unwrap();
    let answer = bus.ask(SUBJECT, Bytes::from_static(b"why"), Duration::from_secs(5)).await.unwrap();
    assert_eq!(answer, "re: why");
}

async fn question_without_a_responder_has_no_answer_quickly(bus: SharedBus) {
    // The limit is the bus's own quickness, not the patience of the question.
    let asked = bus.ask(SUBJECT, Bytes::new(), Duration::from_secs(60));
    assert!(matches!(soon("a refusal", asked).await, Err(BusError::NoAnswer(subject)) if subject == SUBJECT));
}

async fn slow_responder_is_no_answer(bus: SharedBus) {
    let never: Responder = Arc::new(|_| Box::pin(std::future::pending()));
    bus.respond(SUBJECT, never).await.unwrap();
    let answer = bus.ask(SUBJECT, Bytes::new(), Duration::from_millis(100)).await;
    assert!(matches!(answer, Err(BusError::NoAnswer(_))));
}

async fn responder_that_panics_goes_on_answering(bus: SharedBus) {
    let fragile = responder(|question| if question == "bad" { panic!("a bad question") } else { question });
    bus.respond(SUBJECT, fragile).await.unwrap();
    let bad = bus.ask(SUBJECT, Bytes::from_static(b"bad"), Duration::from_millis(200)).await;
    assert!(matches!(bad, Err(BusError::NoAnswer(_))));
    assert_eq!(bus.ask(SUBJECT, Bytes::from_static(b"good"), Duration::from_secs(5)).await.unwrap(), "good");
}

async fn everyone_who_listens_hears_a_broadcast(bus: SharedBus) {
    let (mut first, mut second) = (bus.listen(SUBJECT).await.unwrap(), bus.listen(SUBJECT).await.unwrap());
    bus.broadcast(SUBJECT, Bytes::from_static(b"news")).await.unwrap();
    assert_eq!(soon("the news", first.recv()).await.unwrap(), "news");
    assert_eq!(soon("the news", second.recv()).await.unwrap(), "news");
}

async fn slow_listener_loses_the_oldest(bus: SharedBus) {
    let (mut slow, mut quick) = (bus.listen(SUBJECT).await.unwrap(), bus.listen(SUBJECT).await.unwrap());
    for number in 0..2000_u32 {
        bus.broadcast(SUBJECT, number.to_string().into()).await.unwrap();
        // The quick one keeps up, which also shows that nothing waits for the slow one.
        assert_eq!(soon("a broadcast", quick.recv()).await.unwrap(), number.to_string());
    }
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last| last != "1999") {
        heard.push(soon("the latest", slow.recv()).await.unwrap());
    }
    assert!(heard.len() < 2000, "{} kept", heard.len());
}
