#![allow(clippy::unwrap_used)]

use SubscriptionMove::{
    Approve, Cancel, Deny, End, Expire, Override, Request, RequestReview, Restrict, Resume, Suspend,
};
use SubscriptionStatus::{Active, Cancelled, Denied, Expired, Pending, Suspended};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_ms(1_795_000_000_000);

/// The moves of everybody but an admin who overrides.
const MOVES: [SubscriptionMove; 11] = [
    Approve,
    Deny,
    RequestReview,
    Suspend,
    Resume,
    Cancel,
    Expire,
    Restrict,
    End,
    Request { is_restricted: true },
    Request { is_restricted: false },
];

fn targets(from: SubscriptionStatus) -> Vec<(SubscriptionMove, SubscriptionStatus)> {
    MOVES.into_iter().filter_map(|step| Some((step, from.after(step).ok()?))).collect()
}

fn subscription(status: SubscriptionStatus, expires_at: Option<Timestamp>) -> Subscription {
    Subscription {
        id: SubscriptionId::new_at(NOW),
        version: 3,
        subscriber: Subscriber::User(UserId::new_at(NOW)),
        model_id: ModelId::new_at(NOW),
        model_name: "m".to_owned(),
        model_version: 1,
        status,
        reason: String::new(),
        expires_at,
        created_at: NOW,
        updated_at: NOW,
        created_by: None,
    }
}

#[test]
fn the_declared_transitions_are_all_there_are() {
    assert_eq!(targets(Pending), [(Approve, Active), (Deny, Denied), (End, Cancelled)]);
    assert_eq!(
        targets(Active),
        [(Suspend, Suspended), (Cancel, Cancelled), (Expire, Expired), (Restrict, Pending), (End, Cancelled)]
    );
    assert_eq!(targets(Denied), [(RequestReview, Pending), (End, Cancelled)]);
    assert_eq!(targets(Suspended), [(Resume, Active), (End, Cancelled)]);
    let again = [(Request { is_restricted: true }, Pending), (Request { is_restricted: false }, Active)];
    assert_eq!((targets(Cancelled), targets(Expired)), (again.to_vec(), again.to_vec()));
}

#[test]
fn an_admin_may_set_any_other_status() {
    for (from, to) in SubscriptionStatus::ALL.iter().flat_map(|from| SubscriptionStatus::ALL.map(|to| (*from, to))) {
        assert_eq!(from.after(Override(to)).ok(), (from != to).then_some(to), "{from:?} {to:?}");
    }
}

#[test]
fn a_transition_is_one_version_and_one_line_of_history() {
    let (after, line) = subscription(Pending, None).moved(Deny, "too expensive", None, NOW).unwrap();
    assert_eq!((after.version, after.status, after.reason.as_str()), (4, Denied, "too expensive"));
    assert_eq!((line.version, line.from, line.to, line.reason.as_str()), (4, Some(Pending), Denied, "too expensive"));
}

#[test]
fn nothing_becomes_active_after_its_end() {
    let ended = subscription(Pending, Some(NOW));
    assert_eq!(ended.moved(Approve, "", None, NOW).unwrap_err(), RefusedTransition::EndsInThePast);
    assert_eq!(ended.moved(Approve, "", Some(None), NOW).unwrap().0.expires_at, None);
    assert!(ended.moved(Deny, "", None, NOW).is_ok(), "a denial needs no time left");
}

#[test]
fn an_active_one_is_shown_as_expired_from_its_end_on() {
    let subscription = subscription(Active, Some(NOW));
    let before = NOW.minus(std::time::Duration::from_millis(1));
    assert_eq!((subscription.shown_status(before), subscription.shown_status(NOW)), (Active, Expired));
}
