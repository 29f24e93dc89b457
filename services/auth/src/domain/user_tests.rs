//! What people may change into.

#![allow(clippy::unwrap_used)]

use super::*;

const NOW: Timestamp = Timestamp::from_unix_ms(1_763_000_000_123);

fn admin() -> User {
    User::new_local("ada".to_owned(), None, Role::Admin, NOW)
}

#[test]
fn a_disabled_user_loses_every_token_issued_until_then() {
    let change = UserChange { status: Some(UserStatus::Disabled), ..UserChange::default() };
    let disabled = admin().changed(&change, NOW).unwrap();
    let enabled =
        disabled.changed(&UserChange { status: Some(UserStatus::Active), ..UserChange::default() }, NOW).unwrap();
    assert_eq!(enabled.version, 3);
    assert!(!enabled.accepts_token_of(Timestamp::from_unix_ms(NOW.unix_seconds() * 1_000)));
    assert!(enabled.accepts_token_of(Timestamp::from_unix_ms((NOW.unix_seconds() + 1) * 1_000)));
}

#[test]
fn a_change_to_what_is_there_is_none() {
    let change = UserChange { role: Some(Role::Admin), ..UserChange::default() };
    assert_eq!(admin().changed(&change, NOW), None);
}

#[test]
fn the_last_admin_stays() {
    let before = admin();
    let demoted = before.changed(&UserChange { role: Some(Role::User), ..UserChange::default() }, NOW).unwrap();
    assert_eq!(keep_an_admin(&before, &demoted, 0), Err(LastAdmin));
    assert_eq!(keep_an_admin(&before, &demoted, 1), Ok(()));
    let renamed = UserChange { display_name: Some("Ada".to_owned()), ..UserChange::default() };
    assert_eq!(keep_an_admin(&before, &before.changed(&renamed, NOW).unwrap(), 0), Ok(()));
}

#[test]
fn the_higher_role_of_admin_and_groups_counts_and_goes_with_its_reason() {
    let by_group = admin().with_granted_role(Role::User).with_group_role(Some(Role::AdminReadonly));
    assert_eq!(by_group.role, Role::AdminReadonly);
    let granted = by_group.changed(&UserChange { role: Some(Role::Admin), ..UserChange::default() }, NOW).unwrap();
    assert_eq!(granted.clone().with_group_role(None).role, Role::Admin);
    let left = granted.with_granted_role(Role::User).with_group_role(None);
    assert_eq!(left.role, Role::User);
    assert!(by_group.loses_rights(&left) && !left.loses_rights(&by_group));
}

#[test]
fn of_a_deleted_person_nothing_is_left_but_the_id() {
    let ada = User { display_name: Some("Ada".to_owned()), ..admin() };
    let deleted = ada.deleted(NOW);
    assert_eq!((deleted.id, deleted.version, deleted.status), (ada.id, 2, UserStatus::Deleted));
    let shown = format!("{deleted:?}");
    assert!(!shown.contains("ada") && !shown.contains("Ada"), "{shown}");
    assert!(!deleted.accepts_token_of(NOW) && !deleted.is_local());
}

#[test]
fn who_was_invited_has_to_come_to_be_active() {
    let invitation = Invitation {
        provider_id: "corp".to_owned(),
        issuer: "https://idp.example".to_owned(),
        who: Invitee::Name("ada".to_owned()),
        display_name: None,
        role: Role::User,
    };
    let invited = User::new_invited(invitation, "ada".to_owned(), NOW);
    let switched_on = UserChange { status: Some(UserStatus::Active), ..UserChange::default() };
    assert_eq!(invited.changed(&switched_on, NOW), None);
    assert_eq!((invited.is_active(), invited.subject.clone()), (false, invited.id.to_string()));
}
