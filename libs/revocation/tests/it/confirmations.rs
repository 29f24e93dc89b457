//! Who has taken a revocation over, who has not, and by when they refuse it.

crate::on_both! {
    nobody_is_waited_for_where_there_is_nobody
    all_of_the_living_are_waited_for
    one_that_does_not_confirm_is_named_with_its_time
    a_silent_one_is_named_and_not_waited_for
    one_that_has_been_silent_for_long_is_gone
    one_that_leaves_is_let_go
    another_run_of_an_instance_takes_its_place
    a_replica_knows_who_asked_another_one
    another_epoch_confirms_nothing
}

mod stories {
    use std::time::{Duration, Instant};

    use maas_events::revocation::ProxyHeartbeat;
    use maas_revocation::{Mark, owner::Confirmation};
    use maas_testkit::eventually;
    use maas_types::Clock as _;
    use uuid::Uuid;

    use crate::world::{PATIENCE, World, heartbeat, name, query, subjects};

    fn counts(confirmation: &Confirmation) -> (u32, u32, usize) {
        (confirmation.confirmed, confirmation.live, confirmation.pending.len())
    }

    pub async fn nobody_is_waited_for_where_there_is_nobody(world: World) {
        let mark = world.revoke(&subjects(1)).await;
        let begun = Instant::now();
        let confirmation = world.owner.fleet().wait_for(mark, PATIENCE).await;
        assert_eq!(counts(&confirmation), (0, 0, 0));
        assert!(begun.elapsed() < PATIENCE / 2);
    }

    pub async fn all_of_the_living_are_waited_for(world: World) {
        let before = world.revoke(&subjects(1)).await;
        world.beat(1, before).await;
        world.beat(2, before).await;
        let mark = world.revoke(&subjects(1)).await;
        let confirming = async {
            world.tell(heartbeat(1, mark)).await;
            tokio::task::yield_now().await;
            world.tell(heartbeat(2, mark)).await;
        };
        let (confirmation, ()) = tokio::join!(world.owner.fleet().wait_for(mark, PATIENCE), confirming);
        assert_eq!(counts(&confirmation), (2, 2, 0));
    }

    pub async fn one_that_does_not_confirm_is_named_with_its_time(world: World) {
        let before = world.revoke(&subjects(1)).await;
        world.beat(1, before).await;
        let mark = world.revoke(&subjects(1)).await;
        let confirmation = world.confirmation(mark).await;
        assert_eq!(counts(&confirmation), (0, 1, 1));
        assert_eq!(confirmation.pending[0].instance, name(1));
        assert_eq!(confirmation.pending[0].closes_at, world.clock.now().plus(Duration::from_secs(900)));
    }

    pub async fn a_silent_one_is_named_and_not_waited_for(world: World) {
        let before = world.revoke(&subjects(1)).await;
        world.beat(1, before).await;
        let mark = world.revoke(&subjects(1)).await;
        // A heartbeat that was still on its way is heard at the new time, and has to grow old as well.
        eventually(PATIENCE, || async {
            world.clock.advance(Duration::from_secs(11));
            let confirmation = world.owner.fleet().wait_for(mark, Duration::ZERO).await;
            (counts(&confirmation) == (0, 0, 1)).then_some(())
        })
        .await;
        let begun = Instant::now();
        let confirmation = world.owner.fleet().wait_for(mark, PATIENCE).await;
        assert_eq!(counts(&confirmation), (0, 0, 1));
        assert!(begun.elapsed() < PATIENCE / 2);
    }

    pub async fn one_that_has_been_silent_for_long_is_gone(world: World) {
        let before = world.revoke(&subjects(1)).await;
        world.beat(1, before).await;
        let mark = world.revoke(&subjects(1)).await;
        eventually(PATIENCE, || async {
            world.clock.advance(Duration::from_secs(900 + 61));
            let confirmation = world.owner.fleet().wait_for(mark, Duration::ZERO).await;
            (counts(&confirmation) == (0, 0, 0)).then_some(())
        })
        .await;
    }

    pub async fn one_that_leaves_is_let_go(world: World) {
        let before = world.revoke(&subjects(1)).await;
        world.asked(Some(before)).await;
        let mark = world.revoke(&subjects(1)).await;
        eventually(PATIENCE, || async {
            world.tell(ProxyHeartbeat { leaving: true, ..heartbeat(1, before) }).await;
            (counts(&world.owner.fleet().wait_for(mark, Duration::ZERO).await) == (0, 0, 0)).then_some(())
        })
        .await;
    }

    pub async fn another_run_of_an_instance_takes_its_place(world: World) {
        let before = world.revoke(&subjects(1)).await;
        world.beat(1, before).await;
        let mark = world.revoke(&subjects(1)).await;
        world.tell(ProxyHeartbeat { boot: vec![2; 16].into(), ..heartbeat(1, mark) }).await;
        let confirmation = world.owner.fleet().wait_for(mark, PATIENCE).await;
        assert_eq!(counts(&confirmation), (1, 1, 0));
    }

    pub async fn a_replica_knows_who_asked_another_one(world: World) {
        let before = world.revoke(&subjects(1)).await;
        world.owner.answer(&query(7, Some(before))).await;
        let replica = world.deaf_replica();
        let mark = world.revoke(&subjects(1)).await;
        let pending = replica.fleet().wait_for(mark, Duration::from_millis(200)).await;
        assert_eq!(counts(&pending), (0, 1, 1));
        let again = query(7, Some(mark));
        let asking_again = world.owner.answer(&again);
        let (confirmed, _) = tokio::join!(replica.fleet().wait_for(mark, PATIENCE), asking_again);
        assert_eq!(counts(&confirmed), (1, 1, 0));
    }

    pub async fn another_epoch_confirms_nothing(world: World) {
        let mark = world.revoke(&subjects(1)).await;
        world.beat(1, Mark { epoch: Uuid::from_u128(4), counter: 1_000 }).await;
        assert_eq!(counts(&world.confirmation(mark).await), (0, 1, 1));
    }
}
