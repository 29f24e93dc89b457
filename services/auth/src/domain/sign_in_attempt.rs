//! A sign-in that is under way at a provider: the browser left us with a state and has to come back with it.

use std::time::Duration;

use maas_types::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::random::{self, RandomUnavailable};

/// How long people may take at the provider.
pub const ATTEMPT_LIFETIME: Duration = Duration::from_secs(600);
/// Our random texts: 32 bytes in base64url.
const SECRET_CHARACTERS: usize = 43;

/// What is kept of an attempt until the browser comes back, which it can do once.
#[derive(Debug, Clone)]
pub struct SignInAttempt {
    pub provider_id: String,
    /// Must be in the id token.
    pub nonce: SecretString,
    /// The secret behind the PKCE challenge.
    pub pkce_verifier: SecretString,
    /// Judged when the attempt began.
    pub return_to: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

impl SignInAttempt {
    pub fn begin(provider_id: &str, return_to: String, now: Timestamp) -> Result<Self, RandomUnavailable> {
        Ok(Self {
            provider_id: provider_id.to_owned(),
            nonce: random::secret()?,
            pkce_verifier: random::secret()?,
            return_to,
            created_at: now,
            expires_at: now.plus(ATTEMPT_LIFETIME),
        })
    }
}

/// The only form in which the state of an attempt and its browser's cookie are stored. Both have 256 random bits.
pub fn digest(secret: &SecretString) -> [u8; 32] {
    Sha256::digest(secret.expose_secret().as_bytes()).into()
}

/// Whether a text can be one of our random ones; anything else need not be looked up.
pub fn is_secret_shaped(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.len() == SECRET_CHARACTERS && text.bytes().all(is_allowed)
}

/// Why a sign-in did not end well, as the portal is told: the values of `error` in the return address. A public
/// contract; docs/sign-in.md lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignInFailure {
    /// The person, or the provider for them, said no.
    AccessDenied,
    /// The attempt is unknown, too old, used already, or another browser's.
    Expired,
    /// The provider does not answer, or not in a way that can be understood.
    ProviderUnavailable,
    /// The provider refused what we asked it: usually a wrong client secret or a wrong registration.
    ProviderRefused,
    /// What the provider said about the person cannot be believed.
    IdentityRefused,
    /// The person may not use the platform.
    NotAllowed,
    TooManyAttempts,
    /// A part of ours does not answer.
    Unavailable,
    Internal,
}

impl SignInFailure {
    pub const ALL: [Self; 9] = [
        Self::AccessDenied,
        Self::Expired,
        Self::ProviderUnavailable,
        Self::ProviderRefused,
        Self::IdentityRefused,
        Self::NotAllowed,
        Self::TooManyAttempts,
        Self::Unavailable,
        Self::Internal,
    ];

    pub const fn code(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::Expired => "sign_in_expired",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::ProviderRefused => "provider_refused",
            Self::IdentityRefused => "identity_refused",
            Self::NotAllowed => "not_allowed",
            Self::TooManyAttempts => "too_many_attempts",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal_error",
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn our_secrets_have_their_shape() {
        assert!(is_secret_shaped(random::secret().unwrap().expose_secret()));
        for text in ["", "a", &"a".repeat(42), &"a".repeat(44), &format!("{}/", "a".repeat(42))] {
            assert!(!is_secret_shaped(text), "{text}");
        }
    }

    #[test]
    fn the_page_about_sign_in_lists_every_failure() {
        let page = include_str!("../../../../docs/sign-in.md");
        for failure in SignInFailure::ALL {
            let code = failure.code();
            assert_eq!(page.matches(&format!("\n| `{code}` |")).count(), 1, "{code}");
        }
    }
}
