//! Revocations are counted densely, in the transaction that makes them.

crate::on_both! {
    each_subject_gets_a_counter_of_its_own
    what_is_rolled_back_is_not_counted
    counters_are_dense_whoever_counts_at_the_same_time
    many_at_once_are_one_mark
}

mod stories {
    use futures_util::future::join_all;
    use maas_revocation::{Mark, owner};
    use maas_types::Clock as _;

    use crate::world::{World, subjects};

    pub async fn each_subject_gets_a_counter_of_its_own(world: World) {
        let first = world.revoke(&subjects(1)).await;
        let second = world.revoke(&subjects(2)).await;
        assert_eq!((first.counter, second.counter), (1, 3));
        assert_eq!(first.epoch, second.epoch);
        assert_eq!(world.revoke(&[]).await, second, "nothing to revoke counts nothing");
    }

    pub async fn what_is_rolled_back_is_not_counted(world: World) {
        let before = world.revoke(&subjects(1)).await;
        let transaction = world.database.begin().await.unwrap();
        owner::record(&transaction, &subjects(5), world.clock.now()).await.unwrap();
        transaction.rollback().await.unwrap();
        assert_eq!(world.revoke(&subjects(1)).await.counter, before.counter + 1);
        assert_eq!(world.asked(Some(before)).await.changes.len(), 1);
    }

    pub async fn counters_are_dense_whoever_counts_at_the_same_time(world: World) {
        let start = world.revoke(&[]).await;
        let mut counters: Vec<u64> =
            join_all((0..20).map(|_| async { world.revoke(&subjects(3)).await.counter })).await;
        counters.sort_unstable();
        assert_eq!(counters, (1..=20).map(|call| call * 3).collect::<Vec<u64>>());
        let listed = world.asked(Some(start)).await;
        assert_eq!(
            listed.changes.iter().map(|change| change.counter).collect::<Vec<_>>(),
            (1..=60).collect::<Vec<_>>()
        );
    }

    pub async fn many_at_once_are_one_mark(world: World) {
        let before = world.revoke(&[]).await;
        let all = world.revoke(&subjects(2_500)).await;
        let (mut reached, mut taken) = (before, 0);
        while reached != all {
            let part = world.asked(Some(reached)).await;
            assert_eq!((part.after, part.latest), (reached.counter, all.counter));
            taken += part.changes.len();
            reached = Mark { counter: part.through, ..reached };
        }
        assert_eq!(taken, 2_500);
    }
}
