//! How many exports run at once: a few for each person, so that nobody takes them all, and a few more in all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use maas_types::UserId;

const OF_A_PERSON: usize = 2;
/// Each has a connection to the database.
pub(super) const IN_ALL: usize = 8;

/// Clones share the slots.
#[derive(Debug, Clone, Default)]
pub struct ExportSlots {
    taken: Arc<Mutex<HashMap<UserId, usize>>>,
}

/// Free again when it is dropped.
#[derive(Debug)]
pub struct Slot {
    slots: ExportSlots,
    user: UserId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many exports are running")]
pub struct NoSlot;

impl ExportSlots {
    pub fn take(&self, user: UserId) -> Result<Slot, NoSlot> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= IN_ALL || taken.get(&user).copied().unwrap_or_default() >= OF_A_PERSON {
            return Err(NoSlot);
        }
        *taken.entry(user).or_default() += 1;
        Ok(Slot { slots: self.clone(), user })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn nobody_takes_all_slots_and_a_dropped_one_is_free_again() {
        let slots = ExportSlots::default();
        let person = |number| UserId::from_uuid(Uuid::from_u128(number));
        let mut held: Vec<_> = (0..OF_A_PERSON).map(|_| slots.take(person(1))).collect();
        assert_eq!(slots.take(person(1)).err(), Some(NoSlot));
        assert!(slots.take(person(2)).is_ok());
        held.pop();
        assert!(slots.take(person(1)).is_ok());
        let all: Vec<_> = (10..).map(|number| slots.take(person(number))).take_while(Result::is_ok).collect();
        assert_eq!(all.len(), IN_ALL - held.len());
    }
}
