#![allow(clippy::unwrap_used)]
use super::{super::signing::generate_signing_key, *};

const ISSUER: &str = "https://maas.example";
const DAY: Duration = Duration::from_secs(86_400);

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_ms(1_763_000_000_000).plus(Duration::from_secs(seconds))
}

fn ring(rows: &[SigningKeyRow], configured: &ConfiguredKeys, now: Timestamp) -> KeyRing {
    KeyRing::assemble(rows, configured, ISSUER, now).unwrap()
}

fn key_ids(ring: &KeyRing) -> Vec<&str> {
    ring.public_keys().map(|key| key.key_id.as_str()).collect()
}

fn signer(ring: &KeyRing, now: Timestamp) -> &str {
    &ring.signer(now).unwrap().public.key_id
}

#[test]
fn a_key_is_published_before_it_signs_and_kept_until_its_tokens_are_gone() {
    let configured = ConfiguredKeys::parse(&generate_signing_key().unwrap(), None).unwrap();
    let next = configured.generate(at(360), at(0)).unwrap();
    let first = SigningKeyRow::configured(&configured.current, at(0), at(0)).followed(next.used_from, DAY);
    let rows = [first.clone(), next.clone()];
    let (old, new) = (first.public.key_id.as_str(), next.public.key_id.as_str());

    let before = ring(&rows, &configured, at(0));
    assert_eq!(key_ids(&before), [old, new]);
    assert_eq!((signer(&before, at(359)), signer(&before, at(360))), (old, new));

    let last_token_expires = at(360).plus(DAY);
    assert_eq!(key_ids(&ring(&rows, &configured, last_token_expires)), [old, new]);
    assert_eq!(key_ids(&ring(&rows, &configured, last_token_expires.plus(REPLICAS_AGREE_WITHIN))), [new]);
}

#[test]
fn keys_that_cannot_be_opened_verify_and_do_not_sign() {
    let (old, new) = (generate_signing_key().unwrap(), generate_signing_key().unwrap());
    let before = ConfiguredKeys::parse(&old, None).unwrap();
    let sealed = before.generate(at(0), at(0)).unwrap();
    let without = ConfiguredKeys::parse(&new, None).unwrap();
    let ring_without = ring(std::slice::from_ref(&sealed), &without, at(1));
    assert!(ring_without.signer(at(1)).is_none());
    assert_eq!(key_ids(&ring_without), [sealed.public.key_id.as_str()]);
    let with_previous = ConfiguredKeys::parse(&new, Some(&old)).unwrap();
    assert_eq!(signer(&ring(std::slice::from_ref(&sealed), &with_previous, at(1)), at(1)), sealed.public.key_id);
}
