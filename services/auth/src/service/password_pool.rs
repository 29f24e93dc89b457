//! Password hashing in a bounded pool: it is made to be slow and large, and must starve neither the streams of a
//! standalone process nor its memory.

use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::Semaphore;

use crate::domain::{
    password::{self, HashError},
    random::RandomUnavailable,
};

/// Hashes computed at once, 19 MiB each.
const AT_ONCE: usize = 2;
/// Callers waiting for their turn; beyond, they are sent away.
const MOST_WAITING: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum PasswordPoolError {
    #[error("too many passwords are being checked")]
    Busy,
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error("the password check was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
}

pub struct PasswordPool {
    running: Arc<Semaphore>,
    admitted: Semaphore,
    /// Checked for accounts that do not exist, so that their answer takes as long.
    unmatchable: String,
}

impl PasswordPool {
    pub fn new() -> Result<Self, RandomUnavailable> {
        Ok(Self {
            running: Arc::new(Semaphore::new(AT_ONCE)),
            admitted: Semaphore::new(AT_ONCE + MOST_WAITING),
            unmatchable: password::unmatchable()?,
        })
    }

    /// Whether the password matches; without a hash it never does, after the same time.
    pub async fn verify(&self, password: SecretString, phc: Option<String>) -> Result<bool, PasswordPoolError> {
        let phc = phc.unwrap_or_else(|| self.unmatchable.clone());
        self.run(move || password::verify(&password, &phc)).await
    }

    pub async fn hash(&self, password: SecretString) -> Result<String, PasswordPoolError> {
        Ok(self.run(move || password::hash(&password)).await??)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordPoolError> {
        let _admitted = self.admitted.try_acquire().map_err(|_| PasswordPoolError::Busy)?;
        let turn = self.running.clone().acquire_owned().await.map_err(|_| PasswordPoolError::Busy)?;
        // The turn moves into the thread: a caller that leaves does not stop the hash, and so must not free its place.
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        Ok(done.await?)
    }
}
