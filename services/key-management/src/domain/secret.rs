//! The secrets of a key: the one that it has, the one before during a rotation, and the moves between them.
//!
//! Guarantee: at most two secrets work at any time, and one that has ended never works again, except that cancelling a
//! rotation makes the one before the only one.

use std::time::Duration;

use maas_keys::{KeyMac, ParsedKey, Peppers};
use maas_types::Timestamp;

use super::{
    key::Key,
    status::{RefusedMove, ShownStatus, StoredStatus},
};

/// What is kept of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredSecret {
    pub mac: KeyMac,
    pub pepper_version: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousSecret {
    pub secret: StoredSecret,
    pub valid_until: Timestamp,
}

/// Which secret of a key somebody holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldSecret {
    Current,
    /// The one before, while it works.
    Previous,
}

impl StoredSecret {
    fn is_of(&self, key: &ParsedKey<'_>, peppers: &Peppers) -> bool {
        peppers.verify(key, &self.mac, self.pepper_version)
    }
}

impl Key {
    /// The key with a new secret, with the next version. The one before works until `overlap` is over, and one that was
    /// still working from an earlier rotation ends at once.
    pub fn rotated(&self, secret: StoredSecret, overlap: Duration, now: Timestamp) -> Result<Self, RefusedMove> {
        self.status.change_other()?;
        if self.shown_status(now) == ShownStatus::Expired {
            return Err(RefusedMove::Expired);
        }
        let previous = PreviousSecret { secret: self.secret, valid_until: now.plus(overlap) };
        let previous = (!overlap.is_zero()).then_some(previous);
        Ok(Self { secret, previous, ..self.clone() }.advanced(now))
    }

    /// Ends the secret before now, ahead of its time.
    pub fn rotation_finished(&self, now: Timestamp) -> Result<Self, RefusedMove> {
        self.overlapping(now)?;
        Ok(Self { previous: None, ..self.clone() }.advanced(now))
    }

    /// Goes back to the secret before, and ends the new one.
    pub fn rotation_cancelled(&self, now: Timestamp) -> Result<Self, RefusedMove> {
        let secret = self.overlapping(now)?;
        Ok(Self { secret, previous: None, ..self.clone() }.advanced(now))
    }

    /// The secrets that a request may bring right now.
    pub fn working_secrets(&self, now: Timestamp) -> impl Iterator<Item = StoredSecret> + use<> {
        let works = matches!(self.shown_status(now), ShownStatus::Active | ShownStatus::Rotating);
        let secrets = [Some(self.secret), self.previous_in_force(now)];
        secrets.into_iter().flatten().filter(move |_| works)
    }

    /// Which secret this is, also of a key that does not work. Compares in constant time, with both of them.
    pub fn held(&self, presented: &ParsedKey<'_>, peppers: &Peppers, now: Timestamp) -> Option<HeldSecret> {
        let is_current = self.secret.is_of(presented, peppers);
        let is_previous = self.previous_in_force(now).is_some_and(|previous| previous.is_of(presented, peppers));
        match (is_current, is_previous) {
            (true, _) => Some(HeldSecret::Current),
            (false, true) => Some(HeldSecret::Previous),
            (false, false) => None,
        }
    }

    fn overlapping(&self, now: Timestamp) -> Result<StoredSecret, RefusedMove> {
        self.status.change_other()?;
        self.previous_in_force(now).ok_or(RefusedMove::NotRotating)
    }

    fn previous_in_force(&self, now: Timestamp) -> Option<StoredSecret> {
        let is_revoked = self.status == StoredStatus::Revoked;
        let previous = self.previous.filter(|previous| !is_revoked && now < previous.valid_until)?;
        Some(previous.secret)
    }
}
