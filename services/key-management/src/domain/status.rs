//! The states of a key and the moves between them.

use maas_types::Timestamp;

/// What is stored. That a key has expired follows from its expiry and the time; nothing needs to write it.
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
    Blocked,
    Expired,
    Revoked,
}

/// A revoked key is never changed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key is revoked, which is final")]
pub struct KeyIsRevoked;

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

    pub fn block(self) -> Result<Self, KeyIsRevoked> {
        self.unless_revoked(Self::Blocked)
    }

    pub fn unblock(self) -> Result<Self, KeyIsRevoked> {
        self.unless_revoked(Self::Active)
    }

    /// Never refused: revoking again changes nothing.
    pub fn revoke(self) -> Self {
        Self::Revoked
    }

    /// For changes that leave the status as it is.
    pub fn change_other(self) -> Result<Self, KeyIsRevoked> {
        self.unless_revoked(self)
    }

    pub fn shown(self, expires_at: Option<Timestamp>, now: Timestamp) -> ShownStatus {
        let expired = expires_at.is_some_and(|expires_at| expires_at <= now);
        match self {
            Self::Revoked => ShownStatus::Revoked,
            Self::Active | Self::Blocked if expired => ShownStatus::Expired,
            Self::Active => ShownStatus::Active,
            Self::Blocked => ShownStatus::Blocked,
        }
    }

    fn unless_revoked(self, next: Self) -> Result<Self, KeyIsRevoked> {
        match self {
            Self::Active | Self::Blocked => Ok(next),
            Self::Revoked => Err(KeyIsRevoked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revoked_is_final() {
        let revoked = StoredStatus::Revoked;
        assert_eq!(revoked.block(), Err(KeyIsRevoked));
        assert_eq!(revoked.unblock(), Err(KeyIsRevoked));
        assert_eq!(revoked.change_other(), Err(KeyIsRevoked));
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
        let at = Timestamp::from_unix_ms(1_000);
        let before = Timestamp::from_unix_ms(999);
        assert_eq!(StoredStatus::Active.shown(Some(at), before), ShownStatus::Active);
        assert_eq!(StoredStatus::Active.shown(Some(at), at), ShownStatus::Expired);
        assert_eq!(StoredStatus::Blocked.shown(Some(at), at), ShownStatus::Expired);
        assert_eq!(StoredStatus::Revoked.shown(Some(at), at), ShownStatus::Revoked);
        assert_eq!(StoredStatus::Active.shown(None, at), ShownStatus::Active);
    }
}
