//! The states of a key and the moves between them.

use maas_types::Timestamp;

/// What is stored. That a key has expired, or that its secret before still works, follows from the time; nothing needs
/// to write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoredStatus {
    Active,
    Blocked,
    /// Final.
    Revoked,
}

/// What people see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShownStatus {
    Active,
    /// Active, and the secret before the last rotation works, too.
    Rotating,
    Blocked,
    Expired,
    Revoked,
}

/// Why a key cannot be changed like that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedMove {
    #[error("the key is revoked, which is final")]
    Revoked,
    #[error("the key has expired: extend it first, or create another")]
    Expired,
    #[error("no rotation of the key is under way")]
    NotRotating,
}

impl StoredStatus {
    pub const ALL: [Self; 3] = [Self::Active, Self::Blocked, Self::Revoked];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Blocked => "blocked",
            Self::Revoked => "revoked",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    pub fn block(self) -> Result<Self, RefusedMove> {
        self.unless_revoked(Self::Blocked)
    }

    pub fn unblock(self) -> Result<Self, RefusedMove> {
        self.unless_revoked(Self::Active)
    }

    /// Never refused: revoking again changes nothing.
    pub fn revoke(self) -> Self {
        Self::Revoked
    }

    /// For changes that leave the status as it is.
    pub fn change_other(self) -> Result<Self, RefusedMove> {
        self.unless_revoked(self)
    }

    /// `overlap_ends`: until when the secret before the last rotation works.
    pub fn shown(self, expires_at: Option<Timestamp>, overlap_ends: Option<Timestamp>, now: Timestamp) -> ShownStatus {
        let expired = expires_at.is_some_and(|expires_at| expires_at <= now);
        let overlaps = overlap_ends.is_some_and(|end| now < end);
        match self {
            Self::Revoked => ShownStatus::Revoked,
            Self::Active | Self::Blocked if expired => ShownStatus::Expired,
            Self::Active if overlaps => ShownStatus::Rotating,
            Self::Active => ShownStatus::Active,
            Self::Blocked => ShownStatus::Blocked,
        }
    }

    fn unless_revoked(self, next: Self) -> Result<Self, RefusedMove> {
        match self {
            Self::Active | Self::Blocked => Ok(next),
            Self::Revoked => Err(RefusedMove::Revoked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_unix_ms(milliseconds)
    }

    #[test]
    fn revoked_is_final() {
        let revoked = StoredStatus::Revoked;
        assert_eq!(revoked.block(), Err(RefusedMove::Revoked));
        assert_eq!(revoked.unblock(), Err(RefusedMove::Revoked));
        assert_eq!(revoked.change_other(), Err(RefusedMove::Revoked));
        assert_eq!(revoked.revoke(), StoredStatus::Revoked);
    }

    #[test]
    fn blocking_and_unblocking_may_be_repeated() {
        assert_eq!(StoredStatus::Blocked.block(), Ok(StoredStatus::Blocked));
        assert_eq!(StoredStatus::Blocked.unblock(), Ok(StoredStatus::Active));
        assert_eq!(StoredStatus::Active.unblock(), Ok(StoredStatus::Active));
    }

    #[test]
    fn a_key_expires_at_its_instant_unless_it_was_revoked() {
        let shown = |status: StoredStatus, now| status.shown(Some(at(1_000)), None, at(now));
        assert_eq!(shown(StoredStatus::Active, 999), ShownStatus::Active);
        assert_eq!(shown(StoredStatus::Active, 1_000), ShownStatus::Expired);
        assert_eq!(shown(StoredStatus::Blocked, 1_000), ShownStatus::Expired);
        assert_eq!(shown(StoredStatus::Revoked, 1_000), ShownStatus::Revoked);
        assert_eq!(StoredStatus::Active.shown(None, None, at(1_000)), ShownStatus::Active);
    }

    #[test]
    fn only_a_working_key_is_shown_as_rotating() {
        let shown = |status: StoredStatus, now| status.shown(Some(at(1_000)), Some(at(500)), at(now));
        assert_eq!(shown(StoredStatus::Active, 499), ShownStatus::Rotating);
        assert_eq!(shown(StoredStatus::Active, 500), ShownStatus::Active);
        assert_eq!(shown(StoredStatus::Blocked, 499), ShownStatus::Blocked);
        assert_eq!(shown(StoredStatus::Revoked, 499), ShownStatus::Revoked);
    }
}
