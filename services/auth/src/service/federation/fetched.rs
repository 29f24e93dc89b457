//! A document of a provider: fetched when it is first needed, kept, fetched again when it has become old. One call at a
//! time; who comes meanwhile waits for it.

use std::{sync::Arc, time::Duration};

use maas_types::Timestamp;
use tokio::sync::Mutex;

use super::error::ProviderError;

/// After this time the document is asked for again.
const FRESH_FOR: Duration = Duration::from_secs(3_600);
/// A provider that failed is left alone for this long, so that nobody who waits to sign in makes it worse.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(5);
/// How often a document that is fresh may be asked for all the same.
const BETWEEN_REFRESHES: Duration = Duration::from_secs(10);

pub struct Fetched<T>(Mutex<State<T>>);

struct State<T> {
    value: Option<(Arc<T>, Timestamp)>,
    failed: Option<(ProviderError, Timestamp)>,
    refreshed_at: Option<Timestamp>,
}

impl<T> Default for Fetched<T> {
    fn default() -> Self {
        Self(Mutex::new(State { value: None, failed: None, refreshed_at: None }))
    }
}

impl<T> Fetched<T> {
    /// The document; an old one rather than none. `fetch` runs only when it is needed.
    pub async fn get(
        &self,
        now: Timestamp,
        fetch: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<Arc<T>, ProviderError> {
        let mut state = self.0.lock().await;
        match &state.value {
            Some((value, at)) if now.since(*at) < FRESH_FOR => return Ok(value.clone()),
            _ => {}
        }
        let fetched = match &state.failed {
            Some((error, at)) if now.since(*at) < REST_AFTER_FAILURE => Err(error.clone()),
            _ => state.fetch(now, fetch).await,
        };
        match (fetched, &state.value) {
            (Err(_), Some((old, _))) => Ok(old.clone()),
            (fetched, _) => fetched,
        }
    }

    /// A newer document than `seen`, which did not have what was looked for. `None` when it was asked for just now: who
    /// sends us tokens of invented keys must not make us call the provider for each.
    pub async fn newer_than(
        &self,
        seen: &Arc<T>,
        now: Timestamp,
        fetch: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<Option<Arc<T>>, ProviderError> {
        let mut state = self.0.lock().await;
        if let Some((value, _)) = state.value.as_ref().filter(|(value, _)| !Arc::ptr_eq(value, seen)) {
            return Ok(Some(value.clone()));
        }
        if state.refreshed_at.is_some_and(|at| now.since(at) < BETWEEN_REFRESHES) {
            return Ok(None);
        }
        state.refreshed_at = Some(now);
        state.fetch(now, fetch).await.map(Some)
    }
}

impl<T> State<T> {
    async fn fetch(
        &mut self,
        now: Timestamp,
        fetch: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<Arc<T>, ProviderError> {
        match fetch.await {
            Ok(value) => {
                let value = Arc::new(value);
                (self.value, self.failed) = (Some((value.clone(), now)), None);
                Ok(value)
            }
            Err(error) => {
                self.failed = Some((error.clone(), now));
                Err(error)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_763_000_000_000);

    fn later(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    async fn failing() -> Result<u32, ProviderError> {
        Err(ProviderError::Insecure)
    }

    #[tokio::test]
    async fn a_document_is_kept_for_an_hour_and_longer_when_there_is_no_newer_one() {
        let document = Fetched::default();
        assert_eq!(*document.get(NOW, async { Ok(1) }).await.unwrap(), 1);
        assert_eq!(*document.get(later(3_599), async { Ok(2) }).await.unwrap(), 1);
        assert_eq!(*document.get(later(3_600), failing()).await.unwrap(), 1);
        assert_eq!(*document.get(later(3_605), async { Ok(2) }).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_provider_that_failed_is_left_alone_for_a_moment() {
        let document = Fetched::default();
        assert!(document.get(NOW, failing()).await.is_err());
        assert!(document.get(later(4), async { Ok(1) }).await.is_err());
        assert_eq!(*document.get(later(5), async { Ok(1) }).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn what_is_not_in_the_document_is_asked_for_once_in_a_while() {
        let document = Fetched::default();
        let first = document.get(NOW, async { Ok(1) }).await.unwrap();
        let second = document.newer_than(&first, NOW, async { Ok(2) }).await.unwrap().unwrap();
        assert_eq!(*second, 2);
        // Somebody else has fetched it already.
        assert_eq!(document.newer_than(&first, NOW, failing()).await.unwrap(), Some(second.clone()));
        assert_eq!(document.newer_than(&second, later(9), async { Ok(3) }).await.unwrap(), None);
        assert_eq!(*document.newer_than(&second, later(10), async { Ok(3) }).await.unwrap().unwrap(), 3);
    }
}
