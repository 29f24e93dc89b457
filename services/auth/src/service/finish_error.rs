//! Why a sign-in at a provider did not end well, for us and for the portal.

use maas_store::StoreError;

use super::{admit::AdmitError, federation::ProviderError};
use crate::domain::sign_in_attempt::SignInFailure;
use maas_web::attempts::TooManyAttempts;

#[derive(Debug, thiserror::Error)]
pub enum FinishSignInError {
    #[error("the attempt is unknown, too old, used already, or another browser's")]
    Expired,
    #[error(transparent)]
    TooManyAttempts(#[from] TooManyAttempts),
    #[error("the provider said that the person may not or would not sign in")]
    Denied,
    #[error("the provider said that it has a fault")]
    Trouble,
    #[error("the provider refused to let the person sign in with this client")]
    Refused,
    #[error("what came back with the browser cannot be understood")]
    Unreadable,
    #[error("what came back with the browser is from another issuer")]
    OtherIssuer,
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Admit(#[from] AdmitError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl FinishSignInError {
    pub fn failure(&self) -> SignInFailure {
        match self {
            Self::Expired => SignInFailure::Expired,
            Self::TooManyAttempts(_) => SignInFailure::TooManyAttempts,
            Self::Denied => SignInFailure::AccessDenied,
            Self::Trouble => SignInFailure::ProviderUnavailable,
            Self::Refused | Self::Unreadable => SignInFailure::ProviderRefused,
            Self::OtherIssuer => SignInFailure::IdentityRefused,
            Self::Provider(error) => error.failure(),
            Self::Admit(error) => admit_failure(error),
            Self::Store(error) => store_failure(error),
        }
    }

    /// As opposed to what people and strangers do every day.
    pub fn is_for_operators(&self) -> bool {
        !matches!(
            self.failure(),
            SignInFailure::AccessDenied
                | SignInFailure::Expired
                | SignInFailure::NotAllowed
                | SignInFailure::TooManyAttempts
        )
    }
}

fn admit_failure(error: &AdmitError) -> SignInFailure {
    match error {
        AdmitError::NotAllowed | AdmitError::Disabled => SignInFailure::NotAllowed,
        AdmitError::Malformed(_) => SignInFailure::IdentityRefused,
        AdmitError::Store(error) => store_failure(error),
        _ => SignInFailure::Internal,
    }
}

fn store_failure(error: &StoreError) -> SignInFailure {
    if error.is_transient() { SignInFailure::Unavailable } else { SignInFailure::Internal }
}
