//! Why a provider could not tell us who somebody is. Texts are ours: what a provider sends, and what was sent to it, may
//! hold codes and tokens and is never repeated.

use maas_http::BlockedAddress;

use super::oidc::verify::TokenFault;
use crate::domain::{claims::UnreadableGroups, sign_in_attempt::SignInFailure};

#[derive(Debug, Clone, thiserror::Error)]
pub enum ProviderError {
    /// Nothing came, or not in time.
    #[error("it does not answer: {0}")]
    Unreachable(String),
    #[error(transparent)]
    Blocked(#[from] BlockedAddress),
    /// Its documents name an address without TLS.
    #[error("it names an address that is not https")]
    Insecure,
    #[error("{document} {reason}")]
    Unintelligible { document: &'static str, reason: &'static str },
    /// The code of an OAuth error, if it is a known one.
    #[error("it refused the {request}: {code}")]
    Refused { request: &'static str, code: String },
    #[error("its token is refused: {0}")]
    Token(#[from] TokenFault),
    #[error(transparent)]
    Groups(#[from] UnreadableGroups),
    #[error("it says {0}")]
    Identity(&'static str),
}

impl ProviderError {
    /// Whether the provider is to blame for not working, as opposed to what it said.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Blocked(_) | Self::Insecure | Self::Unintelligible { .. } => true,
            Self::Refused { .. } | Self::Token(_) | Self::Groups(_) | Self::Identity(_) => false,
        }
    }

    pub fn failure(&self) -> SignInFailure {
        match self {
            Self::Refused { .. } => SignInFailure::ProviderRefused,
            Self::Token(_) | Self::Groups(_) | Self::Identity(_) => SignInFailure::IdentityRefused,
            Self::Unreachable(_) | Self::Blocked(_) | Self::Insecure | Self::Unintelligible { .. } => {
                SignInFailure::ProviderUnavailable
            }
        }
    }
}
