//! Slows down guessing: so many attempts a minute per account and per client address, of whatever strangers may attempt.
//!
//! In memory and per replica: with n replicas a guesser gets n times as many. A restart forgets.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use maas_types::Timestamp;

const WINDOW: Duration = Duration::from_secs(60);
/// Accounts and addresses remembered at once.
const MOST_ENTRIES: usize = 20_000;

/// Whose attempts are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AttemptKey {
    Account(String),
    /// Made by [`AttemptKey::address`].
    Address(String),
}

impl AttemptKey {
    /// A client's address. Of IPv6 the first 64 bits count: whoever has one such address has all of its network.
    pub fn address(text: &str) -> Self {
        Self::Address(match text.parse() {
            Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_none() => {
                Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).to_string()
            }
            _ => text.to_owned(),
        })
    }
}

/// Too many attempts; the next one is possible after this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts, wait {} seconds", .retry_after.as_secs())]
pub struct TooManyAttempts {
    pub retry_after: Duration,
}

#[derive(Debug)]
pub struct AttemptLimiter {
    most: u32,
    windows: Mutex<HashMap<AttemptKey, AttemptWindow>>,
}

/// The attempts of one minute; it begins with the first of them.
#[derive(Debug, Clone, Copy)]
struct AttemptWindow {
    began: Timestamp,
    count: u32,
}

impl AttemptLimiter {
    pub fn new(most_per_minute: u32) -> Self {
        Self { most: most_per_minute, windows: Mutex::default() }
    }

    /// Counts an attempt under every key, or refuses it when one of them has no attempt left.
    pub fn attempt(&self, keys: &[AttemptKey], now: Timestamp) -> Result<(), TooManyAttempts> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |window: &&AttemptWindow| window.is_open(now) && window.count >= self.most;
        let waits = keys.iter().filter_map(|key| windows.get(key)).filter(full).map(|window| window.remaining(now));
        if let Some(retry_after) = waits.max() {
            return Err(TooManyAttempts { retry_after });
        }
        make_room(&mut windows, keys.len(), now);
        for key in keys {
            let window = windows.entry(key.clone()).or_insert(AttemptWindow { began: now, count: 0 });
            if !window.is_open(now) {
                *window = AttemptWindow { began: now, count: 0 };
            }
            window.count += 1;
        }
        Ok(())
    }

    /// Takes back one attempt under every key: it was no guess, the password was right.
    pub fn forgive(&self, keys: &[AttemptKey]) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if let Some(window) = windows.get_mut(key) {
                window.count = window.count.saturating_sub(1);
            }
        }
    }
}

impl AttemptWindow {
    fn is_open(&self, now: Timestamp) -> bool {
        now.since(self.began) < WINDOW
    }

    fn remaining(&self, now: Timestamp) -> Duration {
        WINDOW.saturating_sub(now.since(self.began))
    }
}

/// Drops what has ended, and if that is not enough the oldest.
fn make_room(windows: &mut HashMap<AttemptKey, AttemptWindow>, needed: usize, now: Timestamp) {
    if windows.len() + needed <= MOST_ENTRIES {
        return;
    }
    windows.retain(|_, window| window.is_open(now));
    while windows.len() + needed > MOST_ENTRIES {
        let oldest = windows.iter().min_by_key(|(_, window)| window.began).map(|(key, _)| key.clone());
        let Some(oldest) = oldest else { return };
        windows.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_763_000_000_000);

    fn account(name: &str) -> AttemptKey {
        AttemptKey::Account(name.to_owned())
    }

    #[test]
    fn the_eleventh_attempt_of_a_minute_waits_for_the_next_one() {
        let limiter = AttemptLimiter::new(10);
        for _ in 0..10 {
            assert_eq!(limiter.attempt(&[account("ada")], NOW), Ok(()));
        }
        let later = NOW.plus(Duration::from_secs(20));
        let refused = limiter.attempt(&[account("ada")], later);
        assert_eq!(refused, Err(TooManyAttempts { retry_after: Duration::from_secs(40) }));
        assert_eq!(limiter.attempt(&[account("ben")], later), Ok(()));
        assert_eq!(limiter.attempt(&[account("ada")], NOW.plus(WINDOW)), Ok(()));
    }

    #[test]
    fn one_address_cannot_go_through_many_accounts() {
        let limiter = AttemptLimiter::new(2);
        let address = AttemptKey::address("192.0.2.1");
        for name in ["ada", "ben"] {
            assert_eq!(limiter.attempt(&[account(name), address.clone()], NOW), Ok(()));
        }
        assert!(limiter.attempt(&[account("cem"), address], NOW).is_err());
        // A refused attempt is not counted against the account.
        assert_eq!(limiter.attempt(&[account("cem")], NOW), Ok(()));
        assert_eq!(limiter.attempt(&[account("cem")], NOW), Ok(()));
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        assert_eq!(AttemptKey::address("2001:db8::1"), AttemptKey::address("2001:db8::ffff:2"));
        assert_ne!(AttemptKey::address("2001:db8::1"), AttemptKey::address("2001:db8:0:1::1"));
        assert_ne!(AttemptKey::address("192.0.2.1"), AttemptKey::address("192.0.2.2"));
        assert_ne!(AttemptKey::address("::ffff:192.0.2.1"), AttemptKey::address("::ffff:192.0.2.2"));
    }

    #[test]
    fn right_passwords_are_not_counted() {
        let limiter = AttemptLimiter::new(1);
        for _ in 0..5 {
            assert_eq!(limiter.attempt(&[account("ada")], NOW), Ok(()));
            limiter.forgive(&[account("ada")]);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let limiter = AttemptLimiter::new(10);
        for n in 0..MOST_ENTRIES + 100 {
            let at = NOW.plus(Duration::from_millis(u64::try_from(n / 1_000).unwrap_or(0)));
            assert_eq!(limiter.attempt(&[account(&n.to_string())], at), Ok(()));
        }
        assert_eq!(limiter.windows.lock().map(|windows| windows.len()).unwrap_or(0), MOST_ENTRIES);
    }
}
