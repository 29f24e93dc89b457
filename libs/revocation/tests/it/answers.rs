//! What a proxy is told that asks.

crate::on_both! {
    who_knows_nothing_loads_everything
    values_come_with_the_answer
    another_epoch_is_told_to_load
    a_counter_that_went_back_begins_an_epoch
    what_is_old_is_not_listed_any_more
    the_bus_answers_the_same
    a_revocation_is_broadcast_when_somebody_waits_for_it
}

mod stories {
    use std::time::Duration;

    use maas_events::{revocation::Revocations, topic::REVOCATION_SUBJECT};
    use maas_revocation::{Mark, OwnerName};
    use maas_testkit::eventually;
    use prost::Message as _;
    use uuid::Uuid;

    use crate::world::{PATIENCE, World, query, subjects};

    const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    pub async fn who_knows_nothing_loads_everything(world: World) {
        let mark = world.revoke(&subjects(3)).await;
        let told = world.asked(None).await;
        assert!(told.reload && told.changes.is_empty());
        assert_eq!((told.epoch, told.latest), (mark.epoch.as_bytes().to_vec().into(), 3));
    }

    pub async fn values_come_with_the_answer(world: World) {
        let before = world.revoke(&subjects(1)).await;
        world.revoke(&[Uuid::from_u128(77)]).await;
        let told = world.asked(Some(before)).await;
        assert_eq!((told.after, told.through, told.latest, told.reload), (1, 2, 2, false));
        assert_eq!((told.changes[0].counter, told.changes[0].bucket.as_str()), (2, "keys"));
        assert_eq!(told.changes[0].value, Uuid::from_u128(77).as_bytes()[..]);
    }

    pub async fn another_epoch_is_told_to_load(world: World) {
        let mark = world.revoke(&subjects(2)).await;
        let other = Mark { epoch: Uuid::from_u128(5), ..mark };
        assert!(world.asked(Some(other)).await.reload);
        assert!(!world.asked(Some(mark)).await.reload);
    }

    pub async fn a_counter_that_went_back_begins_an_epoch(world: World) {
        let mark = world.revoke(&subjects(2)).await;
        // What a proxy says that has heard of more than this database, restored from a copy, has.
        let ahead = Mark { counter: 9, ..mark };
        let told = world.asked(Some(ahead)).await;
        assert!(told.reload);
        assert_ne!(told.epoch, mark.epoch.as_bytes()[..]);
        assert!(world.asked(Some(mark)).await.reload, "counters of before mean nothing any more");
    }

    pub async fn what_is_old_is_not_listed_any_more(world: World) {
        let old = world.revoke(&subjects(3)).await;
        world.clock.advance(WEEK + Duration::from_secs(1));
        world.revoke(&subjects(2)).await;
        world.owner.tidy().await.unwrap();
        let told = world.asked(Some(Mark { counter: 1, ..old })).await;
        assert!(told.reload);
        assert_eq!(told.forgotten, 3);
        assert_eq!(world.asked(Some(old)).await.changes.len(), 2);
    }

    pub async fn the_bus_answers_the_same(world: World) {
        let mark = world.revoke(&subjects(2)).await;
        let asked = query(1, Some(Mark { counter: 1, ..mark }));
        let question = serde_json::to_vec(&asked).unwrap().into();
        let answer = world.bus.ask(OwnerName::Keys.query_subject(), question, PATIENCE).await.unwrap();
        let told = Revocations::decode(answer).unwrap();
        assert_eq!((told.changes.len(), told.through), (1, 2));
    }

    pub async fn a_revocation_is_broadcast_when_somebody_waits_for_it(world: World) {
        let mut heard = world.bus.listen(REVOCATION_SUBJECT).await.unwrap();
        let first = Revocations::decode(heard.recv().await.unwrap()).unwrap();
        let mark = world.revoke(&subjects(2)).await;
        let (_, told) = tokio::join!(
            world.confirmation(mark),
            eventually(PATIENCE, || {
                let told = heard.try_recv().ok().map(|payload| Revocations::decode(payload).unwrap());
                std::future::ready(told.filter(|told| !told.changes.is_empty()))
            })
        );
        assert_eq!((told.after, told.through, told.changes.len()), (first.through, 2, 2));
        world.stop().await;
    }
}
