//! Passwords: what is acceptable, how they are hashed, and the one-time ones that we make.
//!
//! Hashing takes tens of milliseconds and 19 MiB: call [`hash`] and [`verify`] only through the bounded pool.

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::{PasswordHash, SaltString},
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};

use super::random::{self, RandomUnavailable};

/// In characters.
pub const MIN_LENGTH: usize = 12;
pub const MAX_BYTES: usize = 1_024;

/// OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// 32 characters that nobody confuses when reading them aloud; a power of two, so that each is equally likely.
const READABLE: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const ONE_TIME_LENGTH: usize = 28;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    #[error("must have at least {MIN_LENGTH} characters")]
    TooShort,
    #[error("must have at most {MAX_BYTES} bytes")]
    TooLong,
    #[error("must differ from the current password")]
    Unchanged,
}

#[derive(Debug, thiserror::Error)]
pub enum HashError {
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    #[error("the password cannot be hashed: {0}")]
    Argon2(argon2::password_hash::Error),
}

/// Whether `new` may replace `current`.
pub fn check_new(new: &SecretString, current: &SecretString) -> Result<(), PasswordFault> {
    let text = new.expose_secret();
    if text.len() > MAX_BYTES {
        return Err(PasswordFault::TooLong);
    }
    if text.chars().count() < MIN_LENGTH {
        return Err(PasswordFault::TooShort);
    }
    if text == current.expose_secret() {
        return Err(PasswordFault::Unchanged);
    }
    Ok(())
}

/// A password for one use: 140 random bits in characters that can be typed.
pub fn one_time() -> Result<SecretString, RandomUnavailable> {
    let random = random::bytes::<ONE_TIME_LENGTH>()?;
    let text: String = random.iter().map(|byte| char::from(READABLE[usize::from(byte & 31)])).collect();
    Ok(text.into())
}

/// The hash as PHC text.
pub fn hash(password: &SecretString) -> Result<String, HashError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| HashError::Argon2(error.into()))?;
    let salt = SaltString::encode_b64(&random::bytes::<16>()?).map_err(HashError::Argon2)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password(password.expose_secret().as_bytes(), &salt).map_err(HashError::Argon2)?;
    Ok(hash.to_string())
}

/// Whether the password is the one behind the PHC text; the text says with which parameters.
pub fn verify(password: &SecretString, phc: &str) -> bool {
    let Ok(hash) = PasswordHash::new(phc) else {
        return false;
    };
    Argon2::default().verify_password(password.expose_secret().as_bytes(), &hash).is_ok()
}

/// A PHC text that no password matches and that takes as long to find out as a real one, so that the time of an answer
/// does not tell whether an account exists.
pub fn unmatchable() -> Result<String, RandomUnavailable> {
    let salt = STANDARD_NO_PAD.encode(random::bytes::<16>()?);
    let output = STANDARD_NO_PAD.encode(random::bytes::<32>()?);
    Ok(format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${output}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_matches() {
        let password = one_time().unwrap();
        let phc = hash(&password).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(verify(&password, &phc));
        assert!(!verify(&one_time().unwrap(), &phc));
        assert!(!verify(&password, "not a hash"));
    }

    #[test]
    fn the_unmatchable_hash_is_well_formed() {
        let phc = unmatchable().unwrap();
        assert!(PasswordHash::new(&phc).unwrap().hash.is_some());
        assert!(!verify(&"anything at all".into(), &phc));
    }

    #[test]
    fn one_time_passwords_are_long_and_differ() {
        let (first, second) = (one_time().unwrap(), one_time().unwrap());
        assert_eq!(first.expose_secret().len(), ONE_TIME_LENGTH);
        assert_ne!(first.expose_secret(), second.expose_secret());
    }

    #[test]
    fn new_passwords_have_both_bounds_and_are_new() {
        let current: SecretString = "correct horse".into();
        let check = |text: &str| check_new(&text.to_owned().into(), &current);
        assert_eq!(check("elevenchars"), Err(PasswordFault::TooShort));
        assert_eq!(check(&"x".repeat(1_025)), Err(PasswordFault::TooLong));
        assert_eq!(check("correct horse"), Err(PasswordFault::Unchanged));
        assert_eq!(check("twelve chars"), Ok(()));
        // Characters count, not bytes.
        assert_eq!(check("äöüäöü"), Err(PasswordFault::TooShort));
    }
}
