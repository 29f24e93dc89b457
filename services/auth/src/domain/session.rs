//! Browser sessions: a secret in a cookie, of which only the digest is stored.

use std::time::Duration;

use maas_types::{SessionId, Timestamp, UserId};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// When the last use is written again; each request writing it would make every read a write.
pub const SEEN_GRANULARITY: Duration = Duration::from_secs(60);
const MAX_USER_AGENT: usize = 255;

/// How long sessions live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLifetimes {
    /// Without use.
    pub idle: Duration,
    /// In any case.
    pub absolute: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user_id: UserId,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub expires_at: Timestamp,
    pub address: String,
    pub user_agent: String,
}

impl Session {
    pub fn begin(user_id: UserId, lifetimes: SessionLifetimes, client: &SessionClient, now: Timestamp) -> Self {
        Self {
            id: SessionId::new_at(now),
            user_id,
            created_at: now,
            last_seen_at: now,
            expires_at: now.plus(lifetimes.absolute),
            address: client.address.clone(),
            user_agent: client.user_agent.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT).collect(),
        }
    }

    pub fn is_alive(&self, lifetimes: SessionLifetimes, now: Timestamp) -> bool {
        now < self.expires_at && now.since(self.last_seen_at) < lifetimes.idle
    }

    /// Whether the use at `now` is worth writing down.
    pub fn needs_touch(&self, now: Timestamp) -> bool {
        now.since(self.last_seen_at) >= SEEN_GRANULARITY
    }
}

/// From where a session was begun, for its owner to recognise it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionClient {
    pub address: String,
    pub user_agent: String,
}

/// The only form in which a session's secret is stored: its SHA-256. The secret has 256 random bits, so that a plain
/// digest cannot be reversed by guessing.
pub fn digest(secret: &SecretString) -> [u8; 32] {
    Sha256::digest(secret.expose_secret().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIMES: SessionLifetimes =
        SessionLifetimes { idle: Duration::from_secs(1_800), absolute: Duration::from_secs(43_200) };

    #[test]
    fn a_session_ends_when_idle_and_at_its_absolute_end() {
        let start = Timestamp::from_unix_ms(1_763_000_000_000);
        let client = SessionClient { address: "192.0.2.1".to_owned(), user_agent: "x\u{7}y".to_owned() };
        let mut session = Session::begin(UserId::new_at(start), LIFETIMES, &client, start);
        assert_eq!(session.user_agent, "xy");
        assert!(session.is_alive(LIFETIMES, start.plus(Duration::from_secs(1_799))));
        assert!(!session.is_alive(LIFETIMES, start.plus(Duration::from_secs(1_800))));
        session.last_seen_at = start.plus(Duration::from_secs(43_000));
        assert!(session.is_alive(LIFETIMES, start.plus(Duration::from_secs(43_199))));
        assert!(!session.is_alive(LIFETIMES, start.plus(Duration::from_secs(43_200))));
    }
}
