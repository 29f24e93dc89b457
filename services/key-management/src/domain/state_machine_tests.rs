//! Whatever people do to a key, in whatever order: compared with sets of secrets, which is a simpler idea of the same.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, time::Duration};

use maas_types::{KeyId, Timestamp, UserId};
use proptest::prelude::*;

use super::{
    key::{AllowedModels, Key, KeyEdit, StatusChange},
    owner::OwnerKind,
    secret::StoredSecret,
    status::{RefusedMove, StoredStatus},
};

const START: Timestamp = Timestamp::from_unix_ms(1_795_000_000_000);
const LIFE: Duration = Duration::from_secs(100);

#[derive(Debug, Clone)]
enum Step {
    Block,
    Unblock,
    Revoke,
    Rotate { overlap_seconds: u64 },
    Finish,
    Cancel,
    Rename(u8),
    Extend,
    Wait { seconds: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => Just(Step::Block),
        3 => Just(Step::Unblock),
        1 => Just(Step::Revoke),
        6 => (0..40_u64).prop_map(|overlap_seconds| Step::Rotate { overlap_seconds }),
        2 => Just(Step::Finish),
        2 => Just(Step::Cancel),
        1 => any::<u8>().prop_map(Step::Rename),
        1 => Just(Step::Extend),
        5 => (0..30_u64).prop_map(|seconds| Step::Wait { seconds }),
    ];
    prop::collection::vec(step, 1..40)
}

const fn secret(number: u8) -> StoredSecret {
    StoredSecret { mac: [number; 32], pepper_version: 1 }
}

fn new_key() -> Key {
    Key {
        id: KeyId::new_at(START),
        version: 1,
        public_id: maas_keys::PublicId::from_bytes(*b"0123456789abcdef").unwrap(),
        secret: secret(0),
        previous: None,
        name: "x".to_owned(),
        description: String::new(),
        owner_id: UserId::new_at(START),
        owner_kind: OwnerKind::User,
        team_id: None,
        models: AllowedModels::All,
        networks: None,
        operations: None,
        labels: Default::default(),
        status: StoredStatus::Active,
        expires_at: Some(START.plus(LIFE)),
        ephemeral: false,
        created_at: START,
        updated_at: START,
        created_by: None,
        revoked_at: None,
        revoke_reason: None,
        last_use: None,
    }
}

/// What the step makes of the key: `None` for no change.
fn apply(key: &Key, step: &Step, next_secret: u8, now: Timestamp) -> Result<Option<Key>, RefusedMove> {
    let edit = |edit: KeyEdit| key.edited(edit, now);
    match step {
        Step::Block => key.moved(&StatusChange::Block, now),
        Step::Unblock => key.moved(&StatusChange::Unblock, now),
        Step::Revoke => key.moved(&StatusChange::Revoke { reason: None }, now),
        Step::Rotate { overlap_seconds } => {
            key.rotated(secret(next_secret), Duration::from_secs(*overlap_seconds), now).map(Some)
        }
        Step::Finish => key.rotation_finished(now).map(Some),
        Step::Cancel => key.rotation_cancelled(now).map(Some),
        Step::Rename(n) => edit(KeyEdit { name: Some(n.to_string()), ..KeyEdit::default() }),
        Step::Extend => edit(KeyEdit { expires_at: Some(Some(now.plus(LIFE))), ..KeyEdit::default() }),
        Step::Wait { .. } => Ok(None),
    }
}

/// The secrets that work whenever the key does.
fn in_force(key: &Key, now: Timestamp) -> BTreeSet<u8> {
    let previous = key.previous.filter(|previous| now < previous.valid_until);
    [Some(key.secret), previous.map(|previous| previous.secret)].into_iter().flatten().map(|s| s.mac[0]).collect()
}

fn working(key: &Key, now: Timestamp) -> BTreeSet<u8> {
    key.working_secrets(now).map(|secret| secret.mac[0]).collect()
}

proptest! {
    #[test]
    fn no_order_of_changes_brings_a_key_or_a_secret_back(steps in steps()) {
        let (mut key, mut now, mut next_secret) = (new_key(), START, 1_u8);
        // Secrets that ended for good: a later rotation, its end, or the time took them.
        let mut ended = BTreeSet::<u8>::new();
        for step in &steps {
            let before = key.clone();
            let candidates = in_force(&before, now);
            match apply(&before, step, next_secret, now) {
                Ok(Some(after)) => {
                    prop_assert_ne!(before.status, StoredStatus::Revoked, "a revoked key was changed by {:?}", step);
                    prop_assert_eq!(after.version, before.version + 1);
                    prop_assert!(after.updated_at >= before.updated_at);
                    prop_assert_eq!((after.id, after.public_id), (before.id, before.public_id));
                    let lost = working(&before, now).difference(&working(&after, now)).count() > 0;
                    prop_assert!(!lost || after.waits_for_proxies(&before, now), "{:?} went unconfirmed", step);
                    ended.extend(candidates.difference(&in_force(&after, now)));
                    if matches!(step, Step::Rotate { .. }) {
                        prop_assert_eq!(after.secret.mac[0], next_secret);
                        next_secret += 1;
                    }
                    key = after;
                }
                Ok(None) => {}
                Err(RefusedMove::Revoked) => prop_assert_eq!(before.status, StoredStatus::Revoked),
                Err(RefusedMove::Expired) => prop_assert!(working(&before, now).is_empty()),
                Err(RefusedMove::NotRotating) => prop_assert!(candidates.len() == 1),
            }
            if let Step::Wait { seconds } = step {
                now = now.plus(Duration::from_secs(*seconds));
                ended.extend(candidates.difference(&in_force(&key, now)));
            }
            let works = working(&key, now);
            prop_assert!(works.len() <= 2);
            prop_assert!(works.is_disjoint(&ended), "{works:?} of {ended:?} works again after {step:?}");
            let is_usable = key.status == StoredStatus::Active && key.expires_at.is_some_and(|end| now < end);
            prop_assert_eq!(works.contains(&key.secret.mac[0]), is_usable);
        }
    }
}
