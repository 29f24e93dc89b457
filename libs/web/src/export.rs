//! What files for download have in common: their formats, and how many are written at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use maas_types::UserId;

use crate::problem::{Problem, ProblemCode};

/// Files that one person takes at once, so that nobody takes all slots.
const OF_A_PERSON: usize = 2;
/// Files take seconds to minutes.
const TRY_AGAIN_SECONDS: u32 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    Csv,
    Json,
    Ndjson,
}

impl FileFormat {
    pub const ALL: [(&'static str, Self); 3] = [("csv", Self::Csv), ("json", Self::Json), ("ndjson", Self::Ndjson)];

    /// As queries name it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, format)| *format)
    }

    /// What the names of such files end in.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
        }
    }

    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// How many exports run at once, in this process. Clones share the slots.
#[derive(Debug, Clone)]
pub struct ExportSlots {
    in_all: usize,
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

impl From<NoSlot> for Problem {
    /// 429: the caller waits for their own exports to end.
    fn from(error: NoSlot) -> Self {
        Self::with_detail(ProblemCode::TooManyAttempts, error.to_string()).retry_after(TRY_AGAIN_SECONDS)
    }
}

impl ExportSlots {
    pub fn new(in_all: usize) -> Self {
        Self { in_all, taken: Arc::default() }
    }

    pub fn take(&self, user: UserId) -> Result<Slot, NoSlot> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= self.in_all || taken.get(&user).copied().unwrap_or_default() >= OF_A_PERSON
        {
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_slots_and_a_dropped_one_is_free_again() {
        let slots = ExportSlots::new(8);
        let person = |number: u128| format!("usr_{number:032x}").parse::<UserId>().unwrap();
        let mut held: Vec<_> = (0..OF_A_PERSON).map(|_| slots.take(person(1))).collect();
        assert_eq!(slots.take(person(1)).err(), Some(NoSlot));
        assert!(slots.take(person(2)).is_ok());
        held.pop();
        assert!(slots.take(person(1)).is_ok());
        let all: Vec<_> = (10..).map(|number| slots.take(person(number))).take_while(Result::is_ok).collect();
        assert_eq!(all.len(), 8 - held.len());
    }
}
