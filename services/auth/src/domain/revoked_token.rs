//! Tokens that were withdrawn one by one. A person has few of them at a time: beyond that, all their older tokens go.

use std::time::Duration;

use maas_types::{Timestamp, TokenId};

/// What the state of one person carries at most.
pub const MOST_REVOKED: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevokedToken {
    pub id: TokenId,
    /// It need not be remembered after that.
    pub expires_at: Timestamp,
}

impl RevokedToken {
    /// `longest` is the longest that any token lives; what the token itself said is not known here, and not needed.
    pub fn new(id: TokenId, longest: Duration) -> Self {
        Self { id, expires_at: id.created_at().plus(longest) }
    }

    pub fn issued_at(&self) -> Timestamp {
        self.id.created_at()
    }

    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at <= now
    }
}

/// The tokens that stay listed, newest first, and from when on tokens are good if some do not fit: all that were issued
/// up to those are withdrawn together.
pub fn keep_newest(mut revoked: Vec<RevokedToken>, now: Timestamp) -> (Vec<RevokedToken>, Option<Timestamp>) {
    revoked.retain(|token| !token.is_over(now));
    revoked.sort_by_key(|token| std::cmp::Reverse(token.issued_at()));
    revoked.dedup_by_key(|token| token.id);
    let too_many = revoked.split_off(revoked.len().min(MOST_REVOKED));
    let newest_dropped = too_many.first().map(|token| token.issued_at());
    (revoked, newest_dropped.map(|at| at.plus(Duration::from_millis(1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn token(second: i64) -> RevokedToken {
        RevokedToken::new(TokenId::new_at(Timestamp::from_unix_ms(second * 1_000)), HOUR)
    }

    #[test]
    fn expired_ones_are_forgotten() {
        let (old, new) = (token(0), token(10));
        assert_eq!(keep_newest(vec![old, new, new], Timestamp::from_unix_ms(3_600_000)), (vec![new], None));
    }

    #[test]
    fn beyond_the_limit_the_older_ones_go_together() {
        let many: Vec<RevokedToken> = (0..102).map(token).collect();
        let (kept, valid_from) = keep_newest(many.clone(), Timestamp::from_unix_ms(102_000));
        assert_eq!(kept.len(), MOST_REVOKED);
        // Those of second 0 and 1 are no longer listed, and no token of that time is good.
        assert_eq!(valid_from, Some(Timestamp::from_unix_ms(1_001)));
        assert!(kept.iter().all(|token| token.issued_at() >= Timestamp::from_unix_ms(2_000)));
    }
}
