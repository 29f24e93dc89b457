//! Why an operation on keys was not carried out.

use maas_keys::RandomError;
use maas_store::StoreError;
use maas_types::KeyId;
use maas_types::input::InputFault;

use crate::domain::status::RefusedMove;

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the input has {} fault(s)", .0.len())]
    Invalid(Vec<InputFault>),
    /// Also when the key is somebody else's.
    #[error("no such key")]
    NotFound,
    #[error("keys for other people are made by admins")]
    OwnerNotAllowed,
    /// The caller owns the key's team, and no more.
    #[error("owners of a team may block and revoke its keys; only the owner of a key and admins change it")]
    NotManaged,
    #[error(transparent)]
    Refused(#[from] RefusedMove),
    #[error("the key was changed since it was read")]
    VersionMismatch,
    /// Others changed the key again and again at the same moment.
    #[error("the key is being changed by others")]
    Contended,
    #[error("{0} was created by an earlier request with this Idempotency-Key")]
    Replayed(KeyId),
    /// What is known of models or users is not complete yet.
    #[error("the {0} are not known yet")]
    NotCaughtUp(&'static str),
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A key that was just generated cannot be read back.
    #[error("a generated key is malformed")]
    Malformed(#[from] maas_keys::MalformedKey),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl KeyError {
    /// Whether the platform, not the caller, is the reason.
    pub fn is_our_fault(&self) -> bool {
        match self {
            Self::Contended | Self::NotCaughtUp(_) | Self::Random(_) | Self::Malformed(_) | Self::Store(_) => true,
            Self::Invalid(_)
            | Self::NotFound
            | Self::OwnerNotAllowed
            | Self::NotManaged
            | Self::Refused(_)
            | Self::VersionMismatch
            | Self::Replayed(_) => false,
        }
    }
}
