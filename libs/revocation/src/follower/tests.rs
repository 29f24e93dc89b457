use bytes::Bytes;

use super::*;

const RULE: UnconfirmedRule = UnconfirmedRule { max_unconfirmed_ms: 900_000 };
const EPOCH: Uuid = Uuid::from_u128(1);

fn at(milliseconds: i64) -> Moment {
    Moment(milliseconds)
}

fn mark(counter: u64) -> Mark {
    Mark { epoch: EPOCH, counter }
}

/// One that has taken over everything up to 5, confirmed at 0.
fn following() -> Follower {
    Follower::resumed(OwnerName::Keys, RULE, mark(5), at(0))
}

fn revocations(after: u64, through: u64, latest: u64) -> Revocations {
    let change = |counter| Revocation { counter, subject: Bytes::from_static(&[1; 16]), ..Revocation::default() };
    Revocations {
        owner: "keys".to_owned(),
        epoch: Bytes::copy_from_slice(EPOCH.as_bytes()),
        after,
        through,
        latest,
        changes: (after + 1..=through).map(change).collect(),
        ..Revocations::default()
    }
}

const BROADCAST: Told = Told::Broadcast { age_ms: 0 };

fn take(follower: &mut Follower, told: Revocations, how: Told, now: Moment) -> Vec<u64> {
    let Some(take_over) = follower.told(told, how, now).take_over else { return Vec::new() };
    follower.taken_over(&take_over);
    take_over.changes.iter().map(|change| change.counter).collect()
}

#[test]
fn what_was_revoked_is_taken_over_once() {
    let mut follower = following();
    assert_eq!(take(&mut follower, revocations(5, 7, 7), BROADCAST, at(10)), [6, 7]);
    assert_eq!(follower.applied(), Some(mark(7)));
    assert!(take(&mut follower, revocations(5, 7, 7), BROADCAST, at(20)).is_empty());
    assert_eq!(follower.applied(), Some(mark(7)));
}

#[test]
fn a_gap_is_asked_for_and_not_claimed() {
    let mut follower = following();
    let reaction = follower.told(revocations(7, 8, 8), BROADCAST, at(10));
    assert!(reaction.ask && reaction.take_over.is_none());
    assert_eq!(follower.applied(), Some(mark(5)));
    assert_eq!(follower.confirmed_at(), Some(at(0)));
}

#[test]
fn nothing_is_claimed_before_it_is_taken_over() {
    let mut follower = following();
    let reaction = follower.told(revocations(5, 6, 6), BROADCAST, at(10));
    assert_eq!(follower.applied(), Some(mark(5)));
    follower.taken_over(&reaction.take_over.unwrap());
    assert_eq!(follower.applied(), Some(mark(6)));
}

#[test]
fn a_part_confirms_nothing_and_the_rest_is_asked_for() {
    let mut follower = following();
    let reaction = follower.told(revocations(5, 8, 9), Told::Answer { asked_at: at(10) }, at(20));
    assert!(reaction.ask);
    follower.taken_over(&reaction.take_over.unwrap());
    assert_eq!((follower.applied(), follower.confirmed_at()), (Some(mark(8)), Some(at(0))));
    take(&mut follower, revocations(8, 9, 9), Told::Answer { asked_at: at(30) }, at(40));
    assert_eq!((follower.applied(), follower.confirmed_at()), (Some(mark(9)), Some(at(30))));
}

#[test]
fn an_old_broadcast_confirms_only_what_was_true_when_it_was_read() {
    let mut follower = following();
    take(&mut follower, revocations(5, 5, 5), Told::Broadcast { age_ms: 4_000 }, at(5_000));
    assert_eq!(follower.confirmed_at(), Some(at(1_000)));
}

#[test]
fn another_epoch_is_loaded_anew() {
    let mut follower = following();
    let mut told = revocations(0, 0, 3);
    told.epoch = Bytes::from_static(&[2; 16]);
    assert!(follower.told(told.clone(), BROADCAST, at(10)).ask);
    told.reload = true;
    let load = follower.told(told, Told::Answer { asked_at: at(20) }, at(30)).load.unwrap();
    assert_eq!(follower.applied(), Some(mark(5)), "what is loaded is not there yet");
    follower.loaded(&load, true);
    assert_eq!(follower.applied().map(|mark| mark.counter), Some(3));
    assert_eq!(follower.confirmed_at(), Some(at(20)));
}

#[test]
fn values_of_the_bus_hold_what_is_no_longer_listed() {
    let mut follower = Follower::new(OwnerName::Keys, RULE);
    let told = Revocations { reload: true, forgotten: 2, ..revocations(9, 9, 9) };
    let load = follower.told(told, Told::Answer { asked_at: at(0) }, at(1)).load.unwrap();
    follower.loaded(&load, false);
    assert_eq!((follower.applied(), follower.confirmed_at()), (Some(mark(2)), None));
    assert_eq!(follower.serves_until(at(2)), None);
    assert_eq!(take(&mut follower, revocations(2, 9, 9), Told::Answer { asked_at: at(3) }, at(4)).len(), 7);
    assert!(follower.serves_until(at(5)).is_some());
}

#[test]
fn a_database_that_is_away_confirms_only_while_broadcasts_are_heard() {
    let mut follower = following();
    let told = || Revocations { database_unreachable_since_ms: 1, ..revocations(5, 5, 5) };
    take(&mut follower, told(), Told::Answer { asked_at: at(100) }, at(110));
    assert_eq!(follower.confirmed_at(), Some(at(0)));
    take(&mut follower, told(), BROADCAST, at(200));
    take(&mut follower, told(), Told::Answer { asked_at: at(10_000) }, at(10_010));
    assert_eq!(follower.confirmed_at(), Some(at(10_000)));
    take(&mut follower, told(), Told::Answer { asked_at: at(20_000) }, at(20_010));
    assert_eq!(follower.confirmed_at(), Some(at(10_000)), "no broadcast for more than ten seconds");
}

#[test]
fn both_ways_silent_while_something_answers_closes_after_thirty_seconds() {
    let mut follower = following();
    follower.note_answer(at(25_000));
    assert_eq!(follower.serves_until(at(29_999)), Some(at(30_000)));
    assert_eq!(follower.serves_until(at(30_000)), None);
}

#[test]
fn cut_off_from_everything_goes_on_for_the_configured_time() {
    let mut follower = following();
    follower.note_answer(at(1_000));
    assert_eq!(follower.serves_until(at(60_000)), Some(at(900_000)));
    assert_eq!(follower.serves_until(at(900_000)), None);
}

#[test]
fn closed_stays_closed_until_it_is_confirmed() {
    let mut follower = following();
    follower.note_answer(at(30_000));
    assert_eq!(follower.serves_until(at(31_000)), None);
    assert_eq!(follower.serves_until(at(60_000)), None, "silence opened it again");
    take(&mut follower, revocations(5, 5, 5), Told::Answer { asked_at: at(60_500) }, at(61_000));
    assert_eq!(follower.serves_until(at(61_000)), Some(at(960_500)));
}

#[test]
fn a_copy_from_disk_is_as_old_as_it_is() {
    let mut follower = Follower::resumed(OwnerName::Keys, RULE, mark(5), at(-899_000));
    assert_eq!(follower.serves_until(at(0)), Some(at(1_000)));
    let mut follower = Follower::resumed(OwnerName::Keys, RULE, mark(5), at(-901_000));
    assert_eq!(follower.serves_until(at(0)), None);
}

#[test]
fn another_owner_is_not_listened_to() {
    let mut follower = following();
    let told = Revocations { owner: "auth".to_owned(), ..revocations(5, 7, 7) };
    assert_eq!(follower.told(told, BROADCAST, at(10)), Reaction::default());
}
