//! Which requests belong together, so that they find the same upstream and its warm prefix cache.

use maas_types::UpstreamId;
use uuid::Uuid;

/// Prompts with the same first bytes belong together; more would tell apart what shares most of a cache.
const PREFIX_BYTES: usize = 1_024;

/// Odd numbers without a pattern: the fractional parts of the square roots of 2 and 3, and of the golden ratio.
const SEED: u64 = 0x6a09_e667_f3bc_c909;
const MULTIPLIER: u64 = 0xbb67_ae85_84ca_a73b;
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Belongs to one tenant: the same text of another one has another key, so that nobody can place requests beside
/// somebody else's by guessing their prompts. The same in every replica and every version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AffinityKey(u64);

impl AffinityKey {
    /// From the client's `prompt_cache_key`; `tenant` is the caller's team, or the person without one.
    pub fn from_cache_key(tenant: Uuid, cache_key: &str) -> Self {
        Self::new(tenant, 1, cache_key.as_bytes())
    }

    /// From the content of the request, such as the bytes of its `messages`.
    pub fn from_content(tenant: Uuid, content: &[u8]) -> Self {
        Self::new(tenant, 2, content)
    }

    fn new(tenant: Uuid, kind: u64, text: &[u8]) -> Self {
        let text = text.get(..PREFIX_BYTES).unwrap_or(text);
        let (high, low) = tenant.as_u64_pair();
        let seed = fold(fold(SEED ^ kind, high), low);
        Self(hash(seed, text))
    }

    /// How much this key wants to be on an upstream: the highest wins, and upstreams win in shares as their weights.
    pub(super) fn score(self, upstream: UpstreamId, weight: u32) -> f64 {
        let (high, low) = upstream.uuid().as_u64_pair();
        let random = fold(fold(self.0, high), low);
        // 53 bits fill a float exactly; the half keeps the logarithm from 0 and 1.
        let uniform = ((random >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        -f64::from(weight) / uniform.ln()
    }
}

/// Fast and even, but no secret: who chooses the text can find collisions, and gains a busy upstream of his own.
fn hash(seed: u64, text: &[u8]) -> u64 {
    let (words, rest) = text.as_chunks::<8>();
    let state = words.iter().fold(seed, |state, word| fold(state, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    // The length tells a text from the same one with zeros behind it.
    fold(fold(state, u64::from_le_bytes(last)), text.len() as u64)
}

/// Mixes a word in: the two halves of a 128-bit product.
const fn fold(state: u64, word: u64) -> u64 {
    let product = (state.wrapping_add(STEP) ^ word) as u128 * MULTIPLIER as u128;
    let mixed = (product as u64) ^ (product >> 64) as u64;
    mixed.rotate_left(29) ^ state.wrapping_mul(STEP)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TENANT: Uuid = Uuid::from_u128(7);

    #[test]
    fn keys_are_the_same_in_every_replica_and_version() {
        assert_eq!(AffinityKey::from_cache_key(TENANT, "session-1").0, 14_654_363_938_863_041_817);
        assert_eq!(AffinityKey::from_content(TENANT, b"You are a helpful assistant.").0, 5_314_597_001_599_849_274);
    }

    #[test]
    fn tenants_do_not_share_keys() {
        let of = |tenant| AffinityKey::from_cache_key(Uuid::from_u128(tenant), "shared");
        assert_ne!(of(1), of(2));
        assert_ne!(of(1), of(1 << 64));
    }

    #[test]
    fn only_the_beginning_of_the_content_counts() {
        let long = [b'a'; PREFIX_BYTES + 1];
        let key = |text: &[u8]| AffinityKey::from_content(TENANT, text);
        assert_eq!(key(&long), key(&long[..PREFIX_BYTES]));
        assert_ne!(key(&long), key(&long[..PREFIX_BYTES - 1]));
        assert_ne!(key(b""), key(&[0]));
    }

    #[test]
    fn keys_spread_evenly() {
        let mut buckets = [0_u32; 16];
        for number in 0..16_000 {
            let key = AffinityKey::from_cache_key(TENANT, &number.to_string());
            buckets[(key.0 % 16) as usize] += 1;
        }
        assert!(buckets.iter().all(|count| (850..1_150).contains(count)), "{buckets:?}");
    }

    proptest! {
        #[test]
        fn scores_are_numbers(key: u64, upstream: u128, weight in 1_u32..) {
            let score = AffinityKey(key).score(UpstreamId::from_uuid(Uuid::from_u128(upstream)), weight);
            prop_assert!(score.is_finite() && score > 0.0);
        }
    }
}
